defmodule Py.Attendant do
  @moduledoc false

  # What Python says while nobody waits for it (in spawned calls, casts and threads of its own)
  # comes to this process. It runs nothing itself: functions get a task each, and output is sent
  # on without waiting for the device, so that one slow terminal holds nobody up. The messages:
  #
  #   * `{:callback, callback, context, caller, target, args}` - answer it
  #   * `{:cast, caller, target, args}` - run a function; nobody hears of its value
  #   * `{:cast_failed, info, op, reason}` - see `Py.Request.Cast`
  #   * `{:task_ended, ref, owner, info, op, answer}` - see `Py.EventLoop.Tasks`
  #   * `{:send, target, term}` - to where native code cannot send
  #   * `{:output, leader, caller, device, binary}` and `{:log, caller, level, text, record}`

  use GenServer

  alias Py.Attendant.Devices
  alias Py.{Callback, Output}
  alias Py.EventLoop.Tasks
  alias Py.Request.Cast

  # How long Python waits, at its end or when it has printed a lot, for devices that do not answer.
  @flush_time 1_000

  @doc false
  def start_link(_arg), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  # `tasks` has the callbacks by the monitors of the tasks that run them, `flushes` those that
  # wait until so many requests to devices have been answered.
  @impl true
  def init(nil), do: {:ok, %{tasks: %{}, devices: Devices.new()}}

  @impl true
  def handle_info({:callback, callback, _context, _caller, :flush, _args}, state) do
    Process.send_after(self(), {:flush_over, callback}, @flush_time)
    {:noreply, devices(state, &Devices.flush(&1, callback))}
  end

  def handle_info({:callback, callback, context, caller, target, args}, state) do
    task = start_task(caller, nil, fn -> Callback.answer(callback, context, target, args) end)

    {:noreply, put_in(state.tasks[Process.monitor(task)], callback)}
  end

  def handle_info({:cast, caller, target, args}, state) do
    start_task(caller, nil, fn -> Cast.finish(target, args) end)
    {:noreply, state}
  end

  def handle_info({:cast_failed, info, op, reason}, state) do
    start_task(info.caller, info.leader, fn -> Cast.failed(info, op, reason) end)
    {:noreply, state}
  end

  def handle_info({:task_ended, ref, owner, info, op, answer}, state) do
    start_task(owner, nil, fn -> Tasks.ended(ref, owner, info, op, answer) end)
    {:noreply, state}
  end

  def handle_info({:send, target, term}, state) do
    deliver(target, term)
    {:noreply, state}
  end

  def handle_info({:output, leader, caller, device, binary}, state),
    do: {:noreply, devices(state, &Devices.write(&1, device(device, leader, caller), binary))}

  def handle_info({:log, caller, level, text, record}, state) do
    Output.log(level, text, record, if(caller, do: [pid: caller], else: []))
    {:noreply, state}
  end

  def handle_info({:io_reply, request, _result}, state) do
    Process.demonitor(request, [:flush])
    {:noreply, devices(state, &Devices.written(&1, request))}
  end

  def handle_info({:flush_over, callback}, state),
    do: {:noreply, devices(state, &Devices.give_up(&1, callback))}

  # A task that was killed has answered nobody. Python is told now, as the reference may lie in
  # this process's memory for a while.
  def handle_info({:DOWN, monitor, :process, _pid, reason}, state) do
    case pop_in(state.tasks[monitor]) do
      {nil, state} ->
        {:noreply, devices(state, &Devices.written(&1, monitor))}

      {callback, state} ->
        if reason != :normal, do: Callback.refuse(callback, Exception.format_exit(reason))
        {:noreply, state}
    end
  end

  def handle_info(_other, state), do: {:noreply, state}

  # When Python stops for good, nobody may be left waiting for output.
  @impl true
  def terminate(_reason, state), do: Devices.give_up(state.devices)

  defp devices(state, fun), do: %{state | devices: fun.(state.devices)}

  # What a caller would have run gets the caller's group leader and counts it among its callers.
  defp start_task(caller, leader, fun) do
    leader = leader || leader_of(caller)
    Py.Context.Remote.start_task(leader, if(caller, do: [caller], else: []), fun)
  end

  # A name that is nobody's, or a node that is gone, is not this process's trouble.
  defp deliver(target, term) do
    send(target, term)
  rescue
    ArgumentError -> :ok
  end

  defp device(:stderr, _leader, _caller), do: Process.whereis(:standard_error)
  defp device(:stdout, leader, caller), do: leader || leader_of(caller)

  defp leader_of(caller) do
    with true <- is_pid(caller) and node(caller) == node(),
         {:group_leader, leader} <- Process.info(caller, :group_leader),
         do: leader,
         else: (_dead_or_none -> Process.group_leader())
  end
end
