defmodule Py.Context.Remote do
  @moduledoc false

  # Requests for contexts of other nodes. The context's process there has a task wait for each, and
  # ends the task when the process that asks ends, which stops the Python code as usual.

  alias Py.{ContextError, Native}
  alias Py.EventLoop.Tasks
  alias Py.Request.{Cast, Waiting}

  # How much longer than the request itself the way to another node and back may take.
  @travel_time 5_000

  ## Here

  @doc "Runs an operation in a context of another node."
  @spec run(GenServer.server(), Native.op(), Native.format(), Waiting.how()) :: Waiting.outcome()
  def run(context, op, format, {:cast, _routed?}) do
    GenServer.cast(context, {:cast, op, Cast.info(format, false)})
  end

  def run(context, op, format, {kind, tag, _timeout}) when kind in [:spawn, :keep] do
    parent = self()
    message = {:request, op, format, :infinity, Process.group_leader()}
    {:spawned, spawn(fn -> spawned(parent, tag, context, message) end)}
  end

  def run(_context, _op, _format, {:task, _info, _timeout}), do: Tasks.remote()
  def run(context, op, format, {:timed, timeout}), do: run(context, op, format, timeout)

  def run(context, op, format, {:inline, timeout}), do: run(context, op, format, timeout)

  def run(context, op, format, :infinity),
    do: ask(context, {:request, op, format, :infinity, Process.group_leader()}, :infinity)

  def run(context, op, format, timeout) do
    message = {:request, op, format, timeout, Process.group_leader()}
    ask(context, message, timeout + @travel_time)
  end

  @doc "Asks a context of another node for something short."
  @spec ask(GenServer.server(), term) :: term
  def ask(context, message), do: ask(context, message, @travel_time)

  @doc "Ends the process that waits for a spawned request."
  @spec cancel(pid) :: :cancelled
  def cancel(waiter) do
    monitor = Process.monitor(waiter)
    Process.exit(waiter, :kill)
    receive do: ({:DOWN, ^monitor, :process, ^waiter, _reason} -> :cancelled)
  end

  defp ask(context, message, timeout) do
    GenServer.call(context, message, timeout)
  catch
    :exit, reason -> lost(reason)
  end

  defp lost({:timeout, _call}), do: Waiting.timeout()
  defp lost({:noproc, _call}), do: {:error, %ContextError{reason: :not_found}}
  defp lost(_reason), do: {:error, %ContextError{reason: :closed}}

  # Waits in the place of the process that wants the answer, and no longer than that one lives.
  defp spawned(parent, tag, context, message) do
    monitor = Process.monitor(parent)
    request = :gen_server.send_request(context, message)
    send(parent, {tag, {:done, response(request, monitor)}})
  end

  defp response(request, monitor) do
    receive do
      {:DOWN, ^monitor, :process, _parent, _reason} ->
        exit(:normal)

      message ->
        case :gen_server.check_response(message, request) do
          {:reply, result} -> result
          {:error, {reason, _server}} -> lost({reason, nil})
          :no_reply -> response(request, monitor)
        end
    end
  end

  ## There: what the context's process does

  @typedoc "The tasks that wait for others, by the monitors of those others and of the tasks"
  @type guests :: %{reference => {pid, reference}}

  @doc "Takes in a request."
  @spec serve(guests, GenServer.from(), tuple) :: guests
  def serve(guests, {client, _tag} = from, {:request, op, format, timeout, leader}) do
    context = self()

    task =
      start_task(leader, [client], fn ->
        GenServer.reply(from, Waiting.submit(context, op, :context, format, timeout))
      end)

    {asking, waiting} = {Process.monitor(client), Process.monitor(task)}
    Map.merge(guests, %{asking => {task, waiting}, waiting => {task, asking}})
  end

  @doc "Takes in a cast."
  @spec serve_cast(Native.op(), Cast.info()) :: :ok
  def serve_cast(op, info) do
    case Native.request_submit(self(), op, :context, info.format, {:cast, info.leader, info}) do
      :ok -> :ok
      {:error, reason} -> Cast.failed(info, op, reason)
    end
  end

  @doc "Whoever asked has ended, or the task has; either way the other one is done with."
  @spec down(guests, reference) :: guests
  def down(guests, monitor) do
    case Map.pop(guests, monitor) do
      {nil, guests} ->
        guests

      {{task, other}, guests} ->
        Process.demonitor(other, [:flush])
        # Not killed, since its supervisor would report that.
        Process.exit(task, :shutdown)
        Map.delete(guests, other)
    end
  end

  @doc "Starts a task with the group leader and the callers of someone else."
  @spec start_task(pid, [pid], (() -> term)) :: pid
  def start_task(leader, callers, fun) do
    {:ok, task} =
      Task.Supervisor.start_child(Py.TaskSupervisor, fn ->
        Process.group_leader(self(), leader)
        Process.put(:"$callers", callers)
        fun.()
      end)

    task
  end
end
