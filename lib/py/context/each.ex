defmodule Py.Context.Each do
  @moduledoc false

  # Runs an operation once in every interpreter that is open. Contexts that share one share what
  # the operation changes, so the idlest of them does it for all.

  alias Py.{Callback, ContextError, Deadline, Native, Request, Runtime}

  # For contexts that are in the middle of something. After that the operation stays in their
  # queues, as a change that is meant for everybody must not be lost on some.
  @patience 5_000

  @type answers :: [{pid, term}]

  @doc "What each context answers; the first error, or one that names those that are busy."
  @spec run(Native.op(), timeout) :: {:ok, answers} | {:error, Exception.t()}
  def run(op, patience \\ @patience) do
    {waiting, others} = Enum.split_with(contexts(), &Callback.open/1)
    # Those that wait for a function of this process serve nobody else meanwhile.
    own = for context <- waiting, do: {context, ask(context, op)}
    conclude(own ++ together(others, op, patience), others)
  end

  @doc "Reloads a module where it is loaded; see `Py.reload/1`."
  @spec reload(atom | binary) :: {:ok, [String.t()]} | {:error, Exception.t()}
  def reload(module) do
    with {:ok, answers} <- run({:call, "erlang._modules", "reload", [to_string(module)], []}),
         do: {:ok, answers |> Enum.flat_map(&elem(&1, 1)) |> Enum.uniq()}
  end

  @doc "One open context of each interpreter; none before Python has been started."
  @spec contexts() :: [pid]
  def contexts do
    if Runtime.python() do
      Native.context_list()
      |> Enum.flat_map(&facts/1)
      |> Enum.group_by(fn {context, info} -> interpreter(context, info) end)
      |> Enum.map(fn {_interpreter, sharing} -> sharing |> Enum.min_by(&load/1) |> elem(0) end)
    else
      []
    end
  end

  defp facts(context) do
    case Native.context_info(context) do
      {:ok, info} -> [{context, info}]
      {:error, :not_found} -> []
    end
  end

  # One that is still opening has none yet.
  defp interpreter(context, %{interp_id: id}) when id < 0, do: context
  defp interpreter(_context, %{interp_id: id}), do: id

  # The least of these: first those that serve this process alone, since `false` sorts first.
  defp load({context, info}), do: {Callback.open(context) == nil, info.running, info.queue}

  defp ask(context, op),
    do: Request.run(op, %{context: context, timeout: :infinity}, :term)

  # A process collects, so that an answer which comes too late finds no mailbox to stay in.
  defp together([], _op, _patience), do: []

  defp together(contexts, op, patience) do
    collecting = fn -> exit({:answers, collect(contexts, op, patience)}) end
    {_collector, monitor} = spawn_monitor(collecting)
    receive do: ({:DOWN, ^monitor, :process, _pid, {:answers, answers}} -> answers)
  end

  defp collect(contexts, op, patience) do
    collector = self()
    for context <- contexts, do: spawn(fn -> send(collector, {context, ask(context, op)}) end)
    deadline = Deadline.new(patience)
    for _context <- contexts, answer <- next(deadline), do: answer
  end

  defp next(deadline) do
    receive(
      do: ({_context, _answer} = answer -> [answer]),
      after: (Deadline.left(deadline) -> [])
    )
  end

  defp conclude(answers, asked) do
    answers =
      Enum.reject(answers, &match?({_context, {:error, %ContextError{reason: :closed}}}, &1))

    late = Enum.filter(asked -- Enum.map(answers, &elem(&1, 0)), &open?/1)

    cond do
      failed = Enum.find(answers, &match?({_context, {:error, _error}}, &1)) -> elem(failed, 1)
      late != [] -> busy(late)
      true -> {:ok, for({context, {:ok, value}} <- answers, do: {context, value})}
    end
  end

  defp open?(context), do: match?({:ok, _info}, Native.context_info(context))

  defp busy(contexts) do
    details =
      "#{Enum.map_join(contexts, ", ", &inspect/1)} still busy with an earlier request; the " <>
        "change follows when that has ended. Py.Context.info/1 shows for how long it has run, " <>
        "and Py.Context.interrupt/1 stops it"

    {:error, %ContextError{reason: :timeout, details: details}}
  end
end
