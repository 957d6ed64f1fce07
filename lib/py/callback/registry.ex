defmodule Py.Callback.Registry do
  @moduledoc false

  # The functions that Python may call by name, in a table that one process writes. The native side
  # has a copy, for `from erlang import name` and for callbacks, which come with what is to be
  # called; by its name only what is to run later, or what nobody has registered.

  use GenServer

  alias Py.{ContextError, Native}

  @type entry :: {:list, (list -> term)} | {:applied, fun} | {module, function :: atom}

  @doc "The function of that name."
  @spec fetch(binary) :: {:ok, entry} | :error
  def fetch(name) do
    {:ok, :ets.lookup_element(__MODULE__, name, 2)}
  rescue
    ArgumentError -> :error
  end

  @doc "Registers a function, in place of another one."
  @spec add(atom | binary, entry) :: :ok | {:error, ContextError.t()}
  def add(name, entry), do: ask({:add, to_string(name), entry})

  @doc "Takes a function back."
  @spec remove(atom | binary) :: :ok | {:error, ContextError.t()}
  def remove(name), do: ask({:remove, to_string(name)})

  @doc false
  def start_link(_arg), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @impl true
  def init(nil) do
    # Python may know names from before the application was started again.
    :ok = Native.functions_set([])
    {:ok, :ets.new(__MODULE__, [:named_table, read_concurrency: true])}
  end

  @impl true
  def handle_call({:add, name, entry}, _from, table) do
    :ets.insert(table, {name, entry})
    {:reply, publish(table), table}
  end

  def handle_call({:remove, name}, _from, table) do
    :ets.delete(table, name)
    {:reply, publish(table), table}
  end

  defp publish(table), do: Native.functions_set(:ets.tab2list(table))

  defp ask(request) do
    GenServer.call(__MODULE__, request)
  catch
    :exit, {:noproc, _call} ->
      details = "the application :erlang_python is not started"
      {:error, %ContextError{reason: :not_found, details: details}}
  end
end
