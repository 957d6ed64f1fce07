defmodule Py.Request.Spawned do
  @moduledoc false

  # Calls whose answer is fetched later. What is needed for that stays in the dictionary of the
  # process that made the call, so it goes when the process goes, and with it the ticket.

  alias Py.{Callback, ContextError, Deadline, Error, Native, Request, Telemetry}
  alias Py.Request.{Route, Waiting}
  alias Py.Router.Extension

  @spawned :"$py_spawned"

  # When it was, for those calls of whose end there will be an event.
  @started :"$py_started"

  @unknown "this process has no such call to wait for: it has been awaited already, or another " <>
             "process made it, which alone can await or cancel it"

  @doc "Starts an operation; the reference stands for its answer."
  @spec start(Native.op(), map, Native.format()) :: reference
  def start(op, options, format) do
    tag = make_ref()
    if Telemetry.calls?(), do: Process.put({@started, tag}, Telemetry.started(op))
    state = Route.run(op, options, format, {:keep, tag, options.timeout})
    Process.put({@spawned, tag}, {state, op, options, format})
    tag
  end

  @doc "The same for one's own loop: what comes as `{tag, answer}` goes to `settle/4`."
  @spec submit(Native.op(), map, Native.format(), Native.tag()) ::
          {:spawned, Native.ticket() | pid} | Request.result()
  def submit(op, options, format, tag),
    do: Route.run(op, options, format, {:spawn, tag, options.timeout})

  @doc "The answer of a started call, once."
  @spec await(reference, timeout | nil) :: Request.result()
  def await(tag, timeout \\ nil) do
    case Process.get({@spawned, tag}) do
      nil ->
        unknown()

      {state, op, options, format} ->
        options = if timeout, do: %{options | timeout: timeout}, else: options
        result = state |> fetch(tag, op, options, format) |> told(tag, op)
        # Only now, as the ticket has to be held for as long as the answer is waited for.
        Process.delete({@spawned, tag})
        result
    end
  end

  @doc "The answers of several calls, in their order, within one time for all."
  @spec await_many([reference], timeout | nil) :: [Request.result()]
  def await_many(tags, nil), do: Enum.map(tags, &await/1)

  def await_many(tags, timeout) do
    deadline = Deadline.new(timeout)
    Enum.map(tags, &await(&1, Deadline.left(deadline)))
  end

  @doc "Stops a started call."
  @spec cancel(reference) :: :ok | {:error, ContextError.t()}
  def cancel(tag) do
    case Process.get({@spawned, tag}) do
      nil ->
        unknown()

      {state, op, options, format} ->
        with {:spawned, ticket} <- state, do: Waiting.stop(ticket, tag)
        interrupted = {:error, %ContextError{reason: :interrupted}}
        Process.put({@spawned, tag}, {interrupted, op, options, format})
        :ok
    end
  end

  defp unknown, do: {:error, %ContextError{reason: :not_found, details: @unknown}}

  @doc "What an answer that came as a message comes to, in what is left of the time."
  @spec settle(Native.answer() | {:done, Request.result()}, Native.op(), map, Native.format()) ::
          Request.result()
  def settle({:timed, times, answer}, op, options, format) do
    Telemetry.note(times)
    settle(answer, op, options, format)
  end

  def settle({:ok, _value} = ok, _op, options, _format), do: Request.decode(ok, options)

  def settle({:schedule, target, args}, _op, options, _format),
    do: target |> Callback.finish(args) |> Request.decode(options)

  # From another node, where the rest has been done.
  def settle({:done, result}, _op, options, _format), do: Request.decode(result, options)

  def settle({:error, reason}, op, options, format) do
    case Request.exception(reason) do
      %Error{} = error ->
        if Extension.refusal?(error), do: again(op, options, format), else: {:error, error}

      error ->
        {:error, error}
    end
  end

  # The ordinary way finds the pool where a refused extension can run, or says what would help.
  defp again(_op, %{timeout: 0}, _format), do: Waiting.timeout()
  defp again(op, options, format), do: Request.run(op, options, format)

  defp told(result, tag, op) do
    case Process.delete({@started, tag}) do
      nil -> result
      start -> Telemetry.ended(op, start, result)
    end
  end

  defp fetch({:spawned, ticket}, tag, op, options, format) do
    case kept(ticket, tag) do
      :wait -> wait(ticket, tag, op, options, format)
      answer -> settle(answer, op, options, format)
    end
  end

  defp fetch(result, _tag, _op, options, _format), do: Request.decode(result, options)

  # From another node, answers come as messages only.
  defp kept(ticket, tag) when is_reference(ticket), do: Native.request_fetch(ticket, tag, 0)
  defp kept(_waiter, _tag), do: :wait

  defp wait(ticket, tag, op, %{timeout: timeout} = options, format) do
    deadline = Deadline.new(timeout)

    receive do
      {^tag, answer} -> settle(answer, op, %{options | timeout: Deadline.left(deadline)}, format)
    after
      timeout -> expire(ticket, tag, op, options, format)
    end
  end

  defp expire(ticket, tag, op, options, format) do
    case Waiting.stop(ticket, tag) do
      {:answered, {:timed, _times, {:ok, _value} = ok}} -> settle(ok, op, options, format)
      {:answered, {:ok, _value} = ok} -> settle(ok, op, options, format)
      {:answered, {:done, _result} = done} -> settle(done, op, options, format)
      {:answered, {:error, reason}} -> {:error, Request.exception(reason)}
      _cancelled_or_more_to_do -> Waiting.timeout()
    end
  end
end
