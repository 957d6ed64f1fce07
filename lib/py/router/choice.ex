defmodule Py.Router.Choice do
  @moduledoc false

  # Which context a request of this process goes to, as far as Elixir has a say in it: what
  # `Py.Request.Route` asks. Between the slots of a pool the native side chooses.

  alias Py.{ContextError, Native, Router}
  alias Py.Router.Pool

  # Where a process keeps what it is bound to. Looked at as in `Py.Callback`.
  @bound :"$py_context"

  @type pool :: Pool.name()

  @doc "Binds this process to a context of this node, for a pool."
  @spec bind(pool, Router.context()) :: :ok | {:error, Exception.t()}
  def bind(pool, context) do
    case resolve(context, pool) do
      {:ok, pid} when is_pid(pid) ->
        Process.put(bound_key(pool), pid)
        :ok

      {:ok, _on_another_node} ->
        not_found()

      error ->
        error
    end
  end

  @doc "Undoes that."
  @spec unbind(pool) :: :ok
  def unbind(pool) do
    Process.delete(bound_key(pool))
    :ok
  end

  @doc "The context this process is bound to, for a pool or, with `nil`, for calls that name none."
  @spec bound(pool | nil) :: pid | nil
  def bound(pool) do
    case :erlang.get(bound_key(pool)) do
      :undefined -> nil
      context -> context
    end
  end

  @doc "The context of a pool that this scheduler prefers."
  @spec preferred(pool) :: {:ok, pid | {atom, node}} | {:error, Exception.t()}
  def preferred(pool), do: resolve(place(Pool.slots(pool) || {nil}) + 1, pool)

  @doc """
  What the native side chooses from: all slots of a pool, and the one to prefer, counted from the
  first one again where there are fewer.
  """
  @spec target(Pool.slots()) :: {Pool.slots(), non_neg_integer}
  def target(slots), do: {slots, scheduler()}

  @doc "The context that a name, a place or a pid means; to open one may take so many milliseconds."
  @spec resolve(Router.context(), pool, timeout) ::
          {:ok, pid | {atom, node}} | {:error, Exception.t()}
  def resolve(context, pool, timeout \\ :infinity)
  def resolve(context, _pool, _timeout) when is_pid(context), do: {:ok, context}

  def resolve(place, pool, timeout) when is_integer(place) do
    slots = Pool.slots(pool)

    cond do
      slots == nil -> Pool.not_found(pool)
      place not in 1..tuple_size(slots)//1 -> not_found()
      context = elem(slots, place - 1) -> {:ok, context}
      true -> Pool.open(pool, place - 1, timeout)
    end
  end

  def resolve(name, _pool, _timeout) do
    case GenServer.whereis(name) do
      nil -> not_found()
      server -> {:ok, server}
    end
  end

  @doc """
  Where a process had better settle, which then stays with that context: in an idle one (one still
  to be opened is), and if none is, in one that will be soon, as its job has just begun.
  """
  @spec idle_context(pool, timeout) :: {:ok, pid} | {:error, Exception.t()}
  def idle_context(pool, timeout) do
    case Pool.slots(pool) do
      nil -> Pool.not_found(pool)
      slots -> idle_context(pool, slots, place(slots), timeout)
    end
  end

  defp idle_context(pool, slots, preferred, timeout) do
    size = tuple_size(slots)
    indexes = Enum.map(preferred..(preferred + size - 1), &rem(&1, size))
    idle = &(load(elem(slots, &1)) == {0, 0})
    index = Enum.find(indexes, idle) || Enum.min_by(indexes, &load(elem(slots, &1)))
    context = elem(slots, index)
    if Pool.open?(context), do: {:ok, context}, else: Pool.open(pool, index, timeout)
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

  defp bound_key(pool) when pool in [nil, :default], do: @bound
  defp bound_key(pool), do: {@bound, pool}

  defp place(slots), do: rem(scheduler(), tuple_size(slots))
  defp scheduler, do: :erlang.system_info(:scheduler_id) - 1
  defp not_found, do: {:error, %ContextError{reason: :not_found}}
end
