defmodule Py.Router.Pool do
  @moduledoc false

  # Keeps the slots of the pool and is the only one who writes them. It opens contexts under a
  # supervisor of their own, so that a crash here loses none of them, and takes the pid of a
  # dead one out of its slot. It is asked only when the slots have to change.

  use GenServer

  alias Py.{Context, ContextError, Native, Options}

  # The slots are read by every call and written when a context opens or crashes: exactly what a
  # persistent term is for. Replacing one makes the emulator look at every process's heap once,
  # which a few writes in the life of a node are worth.
  @slots Py.Router
  @supervisor Py.Router.Supervisor

  @type slots :: tuple

  @doc "A tuple with the pid of each context, `nil` where none is open; `nil` without a pool."
  @spec slots() :: slots | nil
  def slots, do: :persistent_term.get(@slots, nil)

  @doc "Opens all contexts of the pool, after resizing it when a size is given."
  @spec start(pos_integer | nil) :: {:ok, [pid]} | {:error, Exception.t()}
  def start(size), do: ask({:start, size})

  @doc "Closes all contexts and takes the pool away."
  @spec stop() :: :ok | {:error, Exception.t()}
  def stop, do: ask(:stop)

  @doc "The context of a slot, opened if need be."
  @spec open(non_neg_integer) :: {:ok, pid} | {:error, Exception.t()}
  def open(index), do: ask({:open, index})

  @doc "Takes ended contexts out of the slots; `:unchanged` if they are as the caller saw them."
  @spec renew(slots) :: :ok | :unchanged | {:error, Exception.t()}
  def renew(seen), do: ask({:renew, seen})

  @doc "Takes the slots away, when nobody is left to keep them."
  @spec unpublish() :: boolean
  def unpublish, do: :persistent_term.erase(@slots)

  @doc "Whether there is an open context in a slot's place."
  # Not the same as a live process: that ends a while after its interpreter began to.
  @spec open?(pid | nil) :: boolean
  def open?(context), do: is_pid(context) and match?({:ok, _info}, Native.context_info(context))

  defp ask(request) do
    GenServer.call(__MODULE__, request, :infinity)
  catch
    :exit, {:noproc, _call} -> if back?(), do: ask(request), else: not_found()
    :exit, _reason -> not_found()
  end

  # The supervisor answers after a restart that is under way, or not at all when it stops.
  defp back? do
    is_list(Supervisor.which_children(Py.Supervisor)) and Process.whereis(__MODULE__) != nil
  catch
    :exit, _reason -> false
  end

  @doc false
  # Each restart opens an interpreter, which takes so long that a context that cannot open does
  # not use these up; killing all the contexts of a large pool at once does not either.
  def supervisor_spec do
    options = [strategy: :one_for_one, name: @supervisor, max_restarts: 1_000, max_seconds: 10]
    %{id: @supervisor, type: :supervisor, start: {Supervisor, :start_link, [[], options]}}
  end

  @doc false
  def start_link(_arg), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc false
  # Runs in the supervisor, the first time and after a crash alike: that is how a replacement
  # finds its way into the slots.
  def start_slot(index) do
    with {:ok, context} <- Context.start_link(mode: Options.env(:mode)) do
      GenServer.cast(__MODULE__, {:opened, index, context})
      {:ok, context}
    end
  end

  @impl true
  def init([]) do
    Process.flag(:trap_exit, true)
    # After a crash the contexts are still there, and the slots tell how many there should be.
    publish(List.duplicate(nil, if(size() > 0, do: size(), else: default_size())))
    for {index, context} <- children(), index < size(), do: fill(index, context)
    {:ok, nil}
  end

  @impl true
  def handle_call({:start, size}, _from, state) do
    resize(size || if(size() > 0, do: size(), else: default_size()))
    {:reply, open_all(), state}
  end

  def handle_call(:stop, _from, state) do
    unpublish()
    for {index, _context} <- children(), do: close(index)
    {:reply, :ok, state}
  end

  def handle_call({:open, index}, _from, state), do: {:reply, open_slot(index), state}

  def handle_call({:renew, seen}, _from, state) do
    list() |> Enum.map(&if(open?(&1), do: &1)) |> publish()
    {:reply, if(slots() == seen, do: :unchanged, else: :ok), state}
  end

  @impl true
  def handle_cast({:opened, index, context}, state) do
    if index < size(), do: fill(index, context)
    {:noreply, state}
  end

  @impl true
  def handle_info({:DOWN, _monitor, :process, context, _reason}, state) do
    list() |> Enum.map(&if(&1 != context, do: &1)) |> publish()
    {:noreply, state}
  end

  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(reason, _state) when reason in [:normal, :shutdown],
    do: unpublish()

  def terminate(_crash, _state), do: :ok

  defp resize(size) do
    publish(Enum.take(list() ++ List.duplicate(nil, size), size))
    for {index, _context} <- children(), index >= size, do: close(index)
  end

  defp open_all do
    Enum.reduce_while((size() - 1)..0//-1, {:ok, []}, fn index, {:ok, contexts} ->
      case open_slot(index) do
        {:ok, context} -> {:cont, {:ok, [context | contexts]}}
        error -> {:halt, error}
      end
    end)
  end

  defp open_slot(index) do
    context = index < size() and elem(slots(), index)

    cond do
      context == false -> not_found()
      open?(context) -> {:ok, context}
      true -> open_child(index)
    end
  end

  defp open_child(index) do
    spec = Supervisor.child_spec(Context, id: index, start: {__MODULE__, :start_slot, [index]})

    case Supervisor.start_child(@supervisor, spec) do
      {:ok, context} -> {:ok, fill(index, context)}
      {:error, {:already_started, context}} when is_pid(context) -> reopen_child(index, context)
      {:error, {%{__exception__: true} = error, _child}} -> {:error, error}
      {:error, _restarting} -> {:error, %ContextError{reason: :closed}}
    end
  end

  # The supervisor has been faster than its message about it; or the context is ending, and the
  # supervisor replaces it as soon as it has.
  defp reopen_child(index, context) do
    if open?(context) do
      {:ok, fill(index, context)}
    else
      monitor = Process.monitor(context)
      receive do: ({:DOWN, ^monitor, :process, ^context, _reason} -> open_child(index))
    end
  end

  # A message about an opened context may be overtaken by its end.
  defp fill(index, context) do
    if elem(slots(), index) != context and open?(context) do
      Process.monitor(context)
      list() |> List.replace_at(index, context) |> publish()
    end

    context
  end

  defp close(index) do
    Supervisor.terminate_child(@supervisor, index)
    Supervisor.delete_child(@supervisor, index)
  end

  defp children do
    for {index, context, _type, _modules} <- Supervisor.which_children(@supervisor),
        do: {index, context}
  end

  # Without a pool there is nothing to publish: a crash noticed late must not bring it back.
  defp publish([]), do: :ok
  defp publish(list), do: :persistent_term.put(@slots, List.to_tuple(list))

  defp list, do: Tuple.to_list(slots() || {})
  defp size, do: tuple_size(slots() || {})
  defp default_size, do: Options.env(:num_contexts) || System.schedulers_online()
  defp not_found, do: {:error, %ContextError{reason: :not_found}}
end
