defmodule Py.Router do
  @moduledoc """
  The pool of contexts, and the choice of one for a call that names none.

  The pool has a slot per context. A call prefers the slot of the scheduler it runs on, which
  keeps caches warm, and steps aside to an idle context when that one is busy. A slot's context
  is opened when it is first wanted, so a large pool costs nothing until it is used, and a
  context that crashes is replaced.

  The application starts the pool. `bind_context/1` takes a process out of this choice:

      :ok = Py.Router.bind_context(Py.Router.get_context())
      :ok = Py.exec("x = 42")
      {:ok, 42} = Py.eval("x")
      :ok = Py.Router.unbind_context()

  """

  alias Py.{Context, ContextError, Native, Options}
  alias Py.Router.Pool

  @bound :"$py_context"

  @typedoc "A context: its pid, its registered name, or its 1-based place in the pool"
  @type context :: Context.context() | pos_integer

  ## The pool

  @doc """
  Starts the pool and opens all its contexts; `start/1` on a running pool resizes it.

  ## Options

  #{Options.docs(:pool)}
  ## Example

      {:ok, contexts} = Py.Router.start(contexts: 8)

  """
  @spec start(keyword) :: {:ok, [pid]} | {:error, Exception.t()}
  def start(opts \\ []), do: Pool.start(Options.parse!(:pool, opts).contexts)

  @doc """
  Closes every context of the pool. Calls that name no context then answer `:not_found`.

      :ok = Py.Router.stop()

  """
  @spec stop() :: :ok | {:error, Exception.t()}
  def stop, do: Pool.stop()

  @doc """
  Whether there is a pool.

      iex> Py.Router.started?()
      true

  """
  @spec started?() :: boolean
  def started?, do: Pool.slots() != nil

  @doc """
  How many contexts the pool has, opened or not; 0 when it is stopped.

      iex> Py.Router.num_contexts() > 0
      true

  """
  @spec num_contexts(:default) :: non_neg_integer
  def num_contexts(:default \\ :default), do: tuple_size(Pool.slots() || {})

  @doc """
  The contexts of the pool that are open, in order.

      iex> Py.Router.get_context(1) in Py.Router.contexts()
      true

  """
  @spec contexts(:default) :: [pid]
  def contexts(:default \\ :default),
    do: for(context when is_pid(context) <- Tuple.to_list(Pool.slots() || {}), do: context)

  ## The choice

  @doc """
  The context this process's calls go to: the bound one, else that of this scheduler.

      context = Py.Router.get_context()

  """
  @spec get_context() :: pid
  def get_context, do: bound() || get_context(preferred(Pool.slots() || {nil}) + 1)

  @doc """
  The context with that place in the pool, counted from 1. It is opened if it is not yet.

      iex> is_pid(Py.Router.get_context(1))
      true

  """
  @spec get_context(pos_integer | :default) :: pid
  def get_context(:default), do: get_context()

  def get_context(place) do
    case resolve(place) do
      {:ok, context} -> context
      {:error, error} -> raise error
    end
  end

  @doc """
  Sends all calls of this process that name no context to this one.

  `exec` and `eval` then work in the namespace that all users of the context share. Should the
  context end, calls answer `:closed` until the process is bound anew or unbound.

      :ok = Py.Router.bind_context(1)

  """
  @spec bind_context(context) :: :ok | {:error, Exception.t()}
  def bind_context(context) do
    case resolve(context) do
      {:ok, pid} when is_pid(pid) ->
        Process.put(@bound, pid)
        :ok

      {:ok, _on_another_node} ->
        {:error, %ContextError{reason: :not_found}}

      error ->
        error
    end
  end

  @doc "The same for a named pool, of which there is `:default`."
  @spec bind_context(:default, context) :: :ok | {:error, Exception.t()}
  def bind_context(:default, context), do: bind_context(context)

  @doc """
  Undoes `bind_context/1`.

      iex> Py.Router.unbind_context()
      :ok

  """
  @spec unbind_context(:default) :: :ok
  def unbind_context(:default \\ :default) do
    Process.delete(@bound)
    :ok
  end

  ## What Py.Request asks

  @doc false
  @spec bound() :: pid | nil
  def bound, do: Process.get(@bound)

  @doc false
  # What the native side chooses from: all slots, and the one to prefer.
  @spec target() :: {tuple, non_neg_integer} | nil
  def target do
    case Pool.slots() do
      nil -> nil
      slots -> {slots, preferred(slots)}
    end
  end

  @doc false
  @spec target(non_neg_integer) :: {tuple, non_neg_integer} | nil
  def target(index) do
    case Pool.slots() do
      nil -> nil
      slots -> {slots, index}
    end
  end

  @doc false
  @spec resolve(context) :: {:ok, pid | {atom, node}} | {:error, Exception.t()}
  def resolve(context) when is_pid(context), do: {:ok, context}

  def resolve(place) when is_integer(place) do
    slots = Pool.slots() || {}

    cond do
      place not in 1..tuple_size(slots)//1 -> not_found()
      context = elem(slots, place - 1) -> {:ok, context}
      true -> Pool.open(place - 1)
    end
  end

  def resolve(name) do
    case GenServer.whereis(name) do
      nil -> not_found()
      server -> {:ok, server}
    end
  end

  @doc false
  # A process stays with the context of its first `exec`, so it had better be an idle one (one
  # still to be opened is), and if none is, one that will be soon: its job has just begun.
  @spec idle_context() :: {:ok, pid} | {:error, Exception.t()}
  def idle_context do
    case target() do
      nil -> not_found()
      {slots, preferred} -> idle_context(slots, preferred)
    end
  end

  defp idle_context(slots, preferred) do
    size = tuple_size(slots)
    indexes = Enum.map(preferred..(preferred + size - 1), &rem(&1, size))
    idle = &(load(elem(slots, &1)) == {0, 0})
    index = Enum.find(indexes, idle) || Enum.min_by(indexes, &load(elem(slots, &1)))
    context = elem(slots, index)
    if Pool.open?(context), do: {:ok, context}, else: Pool.open(index)
  end

  # How long a context has been busy, in microseconds, and how many requests wait for it. One
  # that has died is about to be opened again.
  defp load(nil), do: {0, 0}

  defp load(context) do
    case Native.context_info(context) do
      {:ok, %{running: false, queue: queue}} -> {0, queue}
      {:ok, %{busy: busy, queue: queue}} -> {busy + 1, queue}
      {:error, :not_found} -> {0, 0}
    end
  end

  defp preferred(slots), do: rem(:erlang.system_info(:scheduler_id) - 1, tuple_size(slots))
  defp not_found, do: {:error, %ContextError{reason: :not_found}}
end
