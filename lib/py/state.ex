defmodule Py.State do
  @moduledoc """
  Data that every process and every context share.

      iex> Py.State.store(:config, %{depth: 3})
      :ok
      iex> Py.eval("__import__('erlang').state_get('config')['depth']")
      {:ok, 3}
      iex> Py.exec("from erlang import state_incr; state_incr('hits', 2)")
      :ok
      iex> Py.State.fetch("hits")
      {:ok, 2}

  In Python the functions are `erlang.state_get`, `state_set`, `state_delete`, `state_keys`,
  `state_clear`, `state_incr` and `state_decr`.

  Keys and values are any terms. An atom as a key is its name, as it is for the keys of maps, so
  `:config` and `"config"` are one key; other keys are the same when they are `===`. What comes
  back is a copy, as of a message: large binaries are shared. There is no process behind it, so
  nothing waits: a value is read in about a microsecond from Elixir and from Python alike.

  The data outlives contexts and processes, is the node's own, and goes when the application
  stops. It is kept in memory; for what must survive that, there are databases.
  """

  alias Py.Native

  @doc """
  The value under a key, as `{:ok, value}`, or `:error`.

      iex> Py.State.fetch(:never_stored)
      :error

  """
  @spec fetch(term) :: {:ok, term} | :error
  defdelegate fetch(key), to: Native, as: :state_fetch

  @doc """
  The value under a key; raises `KeyError` where there is none.

      iex> Py.State.store(:limit, 10)
      iex> Py.State.fetch!(:limit)
      10

  """
  @spec fetch!(term) :: term
  def fetch!(key) do
    case fetch(key) do
      {:ok, value} -> value
      :error -> raise KeyError, key: key, term: __MODULE__, message: missing(key)
    end
  end

  @doc """
  The value under a key, or the default.

      iex> Py.State.get(:never_stored, 0)
      0

  """
  @spec get(term, term) :: term
  def get(key, default \\ nil) do
    case fetch(key) do
      {:ok, value} -> value
      :error -> default
    end
  end

  @doc """
  Keeps a copy of a value under a key.

      iex> Py.State.store({:user, 7}, ~D[2024-02-29])
      iex> Py.eval("import erlang\\nerlang.state_get((erlang.atom('user'), 7)).year")
      {:ok, 2024}

  """
  @spec store(term, term) :: :ok
  defdelegate store(key, value), to: Native, as: :state_store

  @doc """
  Forgets a key, if there is anything under it.

      iex> Py.State.remove(:never_stored)
      :ok

  """
  @spec remove(term) :: :ok
  defdelegate remove(key), to: Native, as: :state_remove

  @doc """
  All keys, in no order.

      iex> Py.State.store(:listed, 1)
      iex> "listed" in Py.State.keys()
      true

  """
  @spec keys() :: [term]
  def keys do
    tag = make_ref()
    :ok = Native.state_keys(tag)
    receive do: ({^tag, keys} -> keys)
  end

  @doc """
  Forgets everything.

      :ok = Py.State.clear()

  """
  @spec clear() :: :ok
  defdelegate clear(), to: Native, as: :state_clear

  @doc """
  Adds to the integer under a key, or to 0 where there is nothing, and answers with the sum.

  Nothing comes in between, whoever else counts. Raises `ArgumentError` if something else than an
  integer of 64 bits is there, or would be.

      iex> Py.State.remove(:visits)
      iex> Py.State.incr(:visits)
      1
      iex> Py.State.incr(:visits, 10)
      11

  """
  @spec incr(term, integer) :: integer
  def incr(key, by \\ 1) when is_integer(by) do
    case Native.state_add(key, by) do
      {:ok, sum} -> sum
      {:error, reason} -> raise ArgumentError, uncounted(reason, key)
    end
  end

  @doc """
  Subtracts from the integer under a key, like `incr/2`.

      iex> Py.State.store(:stock, 5)
      iex> Py.State.decr(:stock)
      4

  """
  @spec decr(term, integer) :: integer
  def decr(key, by \\ 1) when is_integer(by), do: incr(key, -by)

  defp missing(key), do: "there is nothing under #{inspect(key)} in Py.State"

  defp uncounted(:not_an_integer, key),
    do:
      "the value under #{inspect(key)} is no integer of 64 bits: counters are integers, and " <>
        "Py.State.store/2 sets them"

  defp uncounted(:overflow, key),
    do: "the counter under #{inspect(key)} would no longer fit into 64 bits"
end
