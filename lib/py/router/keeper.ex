defmodule Py.Router.Keeper do
  @moduledoc false

  # Keeps the slots of a pool and is the only one who writes them. It opens contexts under a
  # supervisor of their own, so that a crash here loses none of them, and takes the pid of a
  # dead one out of its slot.

  # It drains them when it stops, in its own good time.
  use GenServer, shutdown: :infinity

  alias Py.{Context, ContextError, Options, Telemetry}
  alias Py.Context.Look
  alias Py.Router.{Drain, Pool}

  @doc false
  def start_link({name, _size, _opts} = arg),
    do: GenServer.start_link(__MODULE__, arg, name: Pool.keeper(name))

  @doc false
  # Runs in the supervisor, the first time and after a crash alike: that is how a replacement
  # finds its way into the slots.
  def start_slot(name, index, options) do
    with {:ok, context} <- Context.start_link(options) do
      GenServer.cast(Pool.keeper(name), {:opened, index, context})
      {:ok, context}
    end
  end

  @impl true
  def init({name, size, opts}) do
    Process.flag(:trap_exit, true)
    state = %{name: name, options: Pool.options(name, opts)}
    # After a crash the contexts are still there, and the slots tell how many there should be.
    size = if size(state) > 0, do: size(state), else: size || default_size(name)
    publish(List.duplicate(nil, size), state)
    {stay, go} = Enum.split_with(children(state), fn {index, _context} -> index < size end)
    for {index, context} <- stay, do: fill(index, context, state)
    # Whoever was draining these has lost the place where to say that they can go.
    for {index, _context} <- go, do: close(index, state)
    {:ok, state}
  end

  @impl true
  def handle_call({:change, opts}, _from, %{options: options} = state) do
    # How long to drain is no property of the contexts.
    {drain, opts} = Keyword.pop(opts, :drain, options.drain)
    state = put_in(state.options.drain, drain)
    others = Map.merge(state.options, Map.new(opts))
    reply = if others == state.options, do: :unchanged, else: {:replace, Map.to_list(others)}
    {:reply, reply, state}
  end

  def handle_call({:resize, size}, _from, state) do
    slots = Enum.take(list(state) ++ List.duplicate(nil, size), size)
    if length(slots) != size(state), do: publish(slots, state)
    retired = for {index, context} <- children(state), index >= size, do: {index, context}
    {:reply, {:ok, retired}, state}
  end

  # Those that the pool has taken back meanwhile, as it grew again, stay.
  def handle_call({:close, indexes}, _from, state) do
    for index <- indexes, index >= size(state), do: close(index, state)
    {:reply, :ok, state}
  end

  def handle_call({:drain, time}, _from, state),
    do: {:reply, :ok, put_in(state.options.drain, time)}

  def handle_call(:open, _from, state), do: {:reply, open_all(state), state}

  def handle_call({:open, index}, _from, state), do: {:reply, open_slot(index, state), state}

  def handle_call({:renew, seen}, _from, state) do
    state |> list() |> Enum.map(&if(Pool.open?(&1), do: &1)) |> publish(state)
    changed = if Pool.slots(state.name) == seen, do: :unchanged, else: :renewed
    {:reply, {:ok, changed}, state}
  end

  @impl true
  def handle_cast({:opened, index, context}, state) do
    if index < size(state), do: fill(index, context, state)
    {:noreply, state}
  end

  @impl true
  def handle_info({:DOWN, _monitor, :process, context, reason}, state) do
    # Any other end a context tells of itself.
    if reason == :killed, do: Look.ended(context, reason)
    state |> list() |> Enum.map(&if(&1 != context, do: &1)) |> publish(state)
    {:noreply, state}
  end

  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(reason, state) when reason in [:normal, :shutdown] do
    contexts = for context when is_pid(context) <- list(state), do: context
    Pool.unpublish(state.name)
    Drain.run(contexts, state.options.drain)
  end

  def terminate(_crash, _state), do: :ok

  defp open_all(state) do
    Enum.reduce_while((size(state) - 1)..0//-1, {:ok, []}, fn index, {:ok, contexts} ->
      case open_slot(index, state) do
        {:ok, context} -> {:cont, {:ok, [context | contexts]}}
        error -> {:halt, error}
      end
    end)
  end

  defp open_slot(index, state) do
    context = index < size(state) and elem(Pool.slots(state.name), index)

    cond do
      context == false -> {:error, %ContextError{reason: :not_found}}
      Pool.open?(context) -> {:ok, context}
      true -> open_child(index, state)
    end
  end

  defp open_child(index, state) do
    options = state.options |> Map.delete(:drain) |> Map.to_list()
    start = {__MODULE__, :start_slot, [state.name, index, options]}
    spec = Supervisor.child_spec(Context, id: index, start: start)

    case Supervisor.start_child(Pool.contexts(state.name), spec) do
      {:ok, context} -> {:ok, fill(index, context, state)}
      {:error, {:already_started, pid}} when is_pid(pid) -> reopen_child(index, pid, state)
      {:error, {%{__exception__: true} = error, _child}} -> {:error, error}
      {:error, _restarting} -> {:error, %ContextError{reason: :closed}}
    end
  end

  # The supervisor has been faster than its message about it; or the context is ending, and the
  # supervisor replaces it as soon as it has.
  defp reopen_child(index, context, state) do
    if Pool.open?(context) do
      {:ok, fill(index, context, state)}
    else
      monitor = Process.monitor(context)
      receive do: ({:DOWN, ^monitor, :process, ^context, _reason} -> open_child(index, state))
    end
  end

  # A message about an opened context may be overtaken by its end.
  defp fill(index, context, state) do
    if elem(Pool.slots(state.name), index) != context and Pool.open?(context) do
      Process.monitor(context)
      state |> list() |> List.replace_at(index, context) |> publish(state)
    end

    context
  end

  defp close(index, state) do
    Supervisor.terminate_child(Pool.contexts(state.name), index)
    Supervisor.delete_child(Pool.contexts(state.name), index)
  end

  defp children(state) do
    for {index, context, _type, _modules} <- Supervisor.which_children(Pool.contexts(state.name)),
        is_pid(context),
        do: {index, context}
  end

  defp publish(list, state) do
    Pool.publish(state.name, List.to_tuple(list))
    sizes = %{size: length(list), open: Enum.count(list, & &1)}
    Telemetry.execute([:py, :pool, :slots], sizes, %{pool: state.name})
  end

  defp list(state), do: Tuple.to_list(Pool.slots(state.name) || {})
  defp size(state), do: tuple_size(Pool.slots(state.name) || {})

  defp default_size(:default), do: Options.env(:num_contexts) || default_size(:worker)
  defp default_size(_name), do: System.schedulers_online()
end
