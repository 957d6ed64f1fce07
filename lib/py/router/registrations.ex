defmodule Py.Router.Registrations do
  @moduledoc false

  # Which pool the calls of a module or function go to. Everyone reads the table, one process
  # writes it. Names are binaries: `"numpy"`, `{"numpy.linalg", "norm"}`.

  use GenServer

  alias Py.{ContextError, Native}
  alias Py.Request.Settings
  alias Py.Router.{Extension, Pool}

  @type name :: atom | binary | charlist
  @type key :: String.t() | {String.t(), String.t()}
  @type table :: %{key => Pool.name()}

  @doc "All registrations."
  @spec table() :: table
  def table, do: Settings.table(:registrations)

  @doc """
  The pool registered for an operation, or `nil`. For a call: by the function itself, by its
  module, or by a package above.
  """
  @spec pool(table | nil, Native.op()) :: Pool.name() | nil
  def pool(nil, _op), do: nil
  def pool(table, op), do: find(table, op)

  @doc "Registers a pool, in place of another one."
  @spec add(name | {name, name}, Pool.name()) :: :ok | {:error, ContextError.t()}
  def add(name, pool), do: ask({:add, key(name), pool}, Pool.not_found(pool))

  @doc "Registers a pool unless there is one."
  @spec add_new(name | {name, name}, Pool.name()) :: :new | :known
  def add_new(name, pool), do: ask({:add_new, key(name), pool}, :known)

  @doc "Takes a registration back."
  @spec remove(name | {name, name}) :: :ok
  def remove(name), do: ask({:remove, key(name)}, :ok)

  @doc "Forgets all of them, when the application stops."
  @spec clear() :: :ok
  def clear, do: put(%{})

  @doc false
  def start_link(_arg), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  # After a crash the table is still there.
  @impl true
  def init(nil) do
    configured =
      for {{pool, _, _}, names} <- Pool.configured(), name <- names, do: {key(name), pool}

    if configured != [], do: put(Map.merge(Map.new(configured), table()))
    {:ok, nil}
  end

  @impl true
  def handle_call({:add, key, pool}, _from, state),
    do: {:reply, put(Map.put(table(), key, pool)), state}

  def handle_call({:add_new, key, pool}, _from, state) do
    if Map.has_key?(table(), key) do
      {:reply, :known, state}
    else
      put(Map.put(table(), key, pool))
      {:reply, :new, state}
    end
  end

  def handle_call({:remove, key}, _from, state),
    do: {:reply, put(Map.delete(table(), key)), state}

  # Without the application there are no pools to send anything to.
  defp ask(request, otherwise) do
    GenServer.call(__MODULE__, request)
  catch
    :exit, {:noproc, _call} -> otherwise
  end

  defp put(table), do: Settings.update(:registrations, fn _before -> table end)

  defp find(table, {:call, module, function, _args, _kwargs}) do
    {module, _function} = key = key({module, function})

    case table do
      %{^key => pool} -> pool
      _table -> nearest(table, module)
    end
  end

  defp find(table, {:batch, [{module, function, _args, _kwargs} | _]}),
    do: find(table, {:call, module, function, [], []})

  # Code may import many modules. Only an extension decides where all of it has to run.
  defp find(table, op) when elem(op, 0) in [:eval, :exec, :sigil] do
    if Enum.any?(Extension.imports(elem(op, 1)), &(nearest(table, &1) == :worker)), do: :worker
  end

  defp nearest(table, module) do
    case table do
      %{^module => pool} -> pool
      _table -> nearest_above(table, module, byte_size(module) - 1)
    end
  end

  # Goes back to the last dot: from `numpy.linalg` to `numpy`.
  defp nearest_above(_table, _module, at) when at <= 0, do: nil

  defp nearest_above(table, module, at) do
    if :binary.at(module, at) == ?.,
      do: nearest(table, binary_part(module, 0, at)),
      else: nearest_above(table, module, at - 1)
  end

  defp key({module, function}), do: {key(module), key(function)}
  defp key(name) when is_binary(name), do: name
  defp key(name) when is_atom(name), do: Atom.to_string(name)
  defp key([_first | _rest] = name), do: List.to_string(name)
  defp key(other), do: Py.Mistake.registration!(other)
end
