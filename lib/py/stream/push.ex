defmodule Py.Stream.Push do
  @moduledoc false

  # A stream that comes as messages. A task fetches the items and sends them for as long as the
  # receiver keeps up, lives, and wants them. While Python works, the task waits for that and for
  # the end of the receiver at the same time, so nothing goes on for nobody.

  alias Py.Context.Remote
  alias Py.{Deadline, Native, Request}
  alias Py.Request.{Spawned, Waiting}
  alias Py.Stream.Window

  @close_timeout 5_000

  @type event :: {:data, term} | :done | {:error, Exception.t()}

  @doc "Starts a stream; `shape` makes of an event what its receiver expects."
  @spec start(Native.op(), map, Native.format(), (event -> term)) :: reference
  def start(op, options, format, shape) do
    {ref, caller} = {make_ref(), self()}
    owner = options.owner || caller

    task =
      Remote.start_task(Process.group_leader(), [caller], fn ->
        {:ok, _registry} = Registry.register(Py.Stream.Names, ref, nil)
        send(caller, {ref, :registered})
        state = %{ref: ref, owner: owner, monitor: Process.monitor(owner), options: options}
        window = Window.new(owner, ref, options.window)
        run(op, Map.merge(state, %{format: format, shape: shape, window: window}))
      end)

    monitor = Process.monitor(task)

    receive do
      {^ref, :registered} -> Process.demonitor(monitor, [:flush])
      {:DOWN, ^monitor, :process, ^task, reason} -> exit(reason)
    end

    ref
  end

  @doc "Ends a stream. No message of it comes after this, and its `finally` blocks have run."
  @spec cancel(reference) :: :ok
  def cancel(ref) do
    for {task, _value} <- Registry.lookup(Py.Stream.Names, ref) do
      monitor = Process.monitor(task)
      send(task, {ref, :cancel})
      receive do: ({:DOWN, ^monitor, :process, ^task, _reason} -> :ok)
    end

    :ok
  end

  defp run(op, %{options: options} = state) do
    with {:ok, object} <- ask(op, options, :object, state),
         beside = Py.Stream.beside(object, options),
         {:ok, stream} <- ask(Py.Stream.open_op(object), beside, :object, state) do
      push(stream, beside, state)
    else
      {:error, _error} = failed -> tell(failed, state)
      :unwanted -> :ok
    end
  end

  defp push(stream, beside, state) do
    with {:ok, room, state} <- room(state),
         operation = Py.Stream.take_op(stream, room),
         {:ok, {items, more?}} <- ask(operation, beside, state.format, state) do
      Enum.each(items, &tell({:data, &1}, state))
      if more?, do: push(stream, beside, state), else: tell(:done, state)
    else
      {:error, _error} = failed ->
        close(stream, beside)
        tell(failed, state)

      :unwanted ->
        close(stream, beside)
    end
  end

  defp close(stream, beside),
    do: Request.run(Py.Stream.close_op(stream), %{beside | timeout: @close_timeout}, :term)

  # How many items the receiver may be sent, as soon as it may be sent any.
  defp room(%{ref: ref, monitor: monitor} = state) do
    case Window.room(state.window) do
      {0, window} ->
        receive do
          {:DOWN, ^monitor, :process, _owner, _reason} -> :unwanted
          {^ref, :cancel} -> :unwanted
        after
          Window.pause(window) -> room(%{state | window: window})
        end

      {room, window} ->
        {:ok, room, %{state | window: window}}
    end
  end

  defp ask(op, options, format, %{ref: ref, monitor: monitor}) do
    deadline = Deadline.new(options.timeout)
    tag = make_ref()

    case Spawned.submit(op, options, format, tag) do
      {:spawned, ticket} ->
        receive do
          {^tag, answer} ->
            Spawned.settle(answer, op, %{options | timeout: Deadline.left(deadline)}, format)

          {:DOWN, ^monitor, :process, _owner, _reason} ->
            unwanted(ticket, tag)

          {^ref, :cancel} ->
            unwanted(ticket, tag)
        after
          options.timeout ->
            Waiting.stop(ticket, tag)
            Waiting.timeout()
        end

      result ->
        result
    end
  end

  defp unwanted(ticket, tag) do
    Waiting.stop(ticket, tag)
    :unwanted
  end

  defp tell(event, state), do: send(state.owner, {:py_stream, state.ref, state.shape.(event)})
end
