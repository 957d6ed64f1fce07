defmodule Py.Context.Look do
  @moduledoc false

  # What a context does at the moment, as seen from beside it.

  alias Py.{ContextError, Native, Telemetry}

  # What a context that is given up has to be looked at.
  @last_look 500

  @doc "The facts of the native side, and who asked for what."
  @spec info(pid) :: {:ok, map} | {:error, ContextError.t()}
  def info(context) do
    case Native.context_info(context) do
      {:ok, info} -> {:ok, Map.merge(info, operation(context))}
      {:error, :not_found} -> closed()
    end
  end

  @doc "The Python stack, if it can be had within that time."
  @spec stack(pid, timeout) :: {:ok, String.t()} | {:error, ContextError.t()}
  def stack(context, timeout) do
    # In a task, so that an answer which comes too late is nobody's.
    task = Task.Supervisor.async_nolink(Py.TaskSupervisor, fn -> ask(context) end)

    case Task.yield(task, timeout) || Task.shutdown(task, :brutal_kill) do
      {:ok, answer} -> answer
      _late -> held()
    end
  end

  @doc "The same in a sentence for the log."
  @spec last(pid) :: String.t()
  def last(context) do
    {:ok, info} = info(context)
    what = "It was #{info.operation || "nobody's request"}, for #{inspect(info.caller)}."

    case stack(context, @last_look) do
      {:ok, text} -> "#{what}\n\n#{text}"
      {:error, error} -> "#{what} #{Exception.message(error)}"
    end
  end

  @doc "Tells that a context ends."
  @spec ended(pid, term) :: :ok
  def ended(context, reason) do
    event =
      if reason in [:normal, :shutdown] or match?({:shutdown, _}, reason), do: :stop, else: :crash

    served = with {:ok, info} <- Native.context_info(context), do: info.served, else: (_none -> 0)
    facts = %{context: context, reason: reason}
    Telemetry.execute([:py, :context, event], %{served: served}, facts)
  end

  defp ask(context) do
    tag = make_ref()

    with :ok <- Native.context_stack(context, tag) do
      receive do
        {^tag, {:ok, text}} -> {:ok, text}
        {^tag, :busy} -> held()
        {^tag, :closed} -> closed()
      end
    else
      :closed -> closed()
    end
  end

  defp operation(context) do
    case Native.context_operation(context) do
      {caller, op} -> %{caller: caller, operation: text(op)}
      nil -> %{caller: nil, operation: nil}
    end
  end

  defp text({:call, module, function}), do: "#{module}.#{function}"
  defp text({:call_method, %{type: type}, method}), do: "#{type}.#{method}"
  defp text({verb, code}) when is_binary(code), do: "#{verb}: #{first_line(code)}"
  defp text(op) when is_tuple(op), do: to_string(elem(op, 0))
  defp text(op), do: to_string(op)

  defp first_line(code),
    do: code |> String.split("\n", parts: 2) |> hd() |> String.slice(0, 80)

  defp held do
    details =
      "the stack cannot be seen: code in C runs in that interpreter and does not let go of its GIL"

    {:error, %ContextError{reason: :timeout, details: details}}
  end

  defp closed, do: {:error, %ContextError{reason: :closed}}
end
