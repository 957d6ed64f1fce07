defmodule Py.Mode do
  @moduledoc """
  The ways to run Python: which interpreter a context gets, and whose GIL it holds there.

  The table itself is part of the native code and depends on the Python in use; `all/0` reads
  it, and `:auto` is the row marked as the default.

  | Python | `:auto` | `Py.execution_mode/0` | also available |
  |---|---|---|---|
  | 3.9 - 3.11 | `:multi_executor`: one interpreter, a thread and a namespace for each context | `:multi_executor` | `:worker` |
  | 3.12, 3.13 | `:own_gil`: a sub-interpreter with its own GIL for each context | `:subinterp` | `:worker`, `:shared_gil` |
  | 3.13t, 3.14t | `:free_threaded`: one interpreter without a GIL, a thread for each context | `:free_threaded` | `:worker` |
  | 3.14 and newer | `:shared_gil`: a sub-interpreter for each context under one GIL | `:subinterp` | `:own_gil`, `:worker` |

  ## Example

      iex> Enum.any?(Py.Mode.all(), & &1.default)
      true

  """

  alias Py.{Native, StartError}

  @typedoc "One row of the table"
  @type row :: %{
          name: atom,
          execution_mode: atom,
          supported: boolean,
          default: boolean,
          interpreter: String.t(),
          requires: String.t()
        }

  @doc """
  All modes, with what each needs and whether this Python has it.

      Py.Mode.all() |> Enum.filter(& &1.supported) |> Enum.map(& &1.name)

  """
  @spec all() :: [row]
  def all, do: Native.runtime_info().modes

  @doc """
  The names a `mode:` option takes.

      iex> :auto in Py.Mode.names()
      true

  """
  @spec names() :: [atom]
  def names, do: [:auto | Enum.map(all(), & &1.name)]

  @doc """
  The row a name stands for, if this Python can run it.

      {:ok, %{name: :own_gil}} = Py.Mode.fetch(:auto)

  """
  @spec fetch(atom) :: {:ok, row} | {:error, StartError.t()}
  def fetch(name) do
    # The default comes first, so that a name several rows answer to means it.
    case all() |> Enum.sort_by(&(not &1.default)) |> Enum.find(&named?(&1, name)) do
      %{supported: true} = row -> {:ok, row}
      %{requires: requires} -> unsupported("#{inspect(name)} needs #{requires}")
      nil -> unsupported("there is no mode #{inspect(name)}, only #{listed()}")
    end
  end

  @doc """
  The kind of execution that contexts of the configured mode get.

      :subinterp = Py.Mode.execution_mode()

  """
  @spec execution_mode() :: :subinterp | :free_threaded | :multi_executor | :worker
  def execution_mode do
    case fetch(Py.Options.env(:mode)) do
      {:ok, row} -> row.execution_mode
      {:error, error} -> raise error
    end
  end

  @doc """
  Whether this Python has sub-interpreters.

      true = Py.Mode.subinterp_supported?()

  """
  @spec subinterp_supported?() :: boolean
  def subinterp_supported?,
    do: Enum.any?(all(), &(&1.supported and &1.execution_mode == :subinterp))

  # `:owngil` and `:subinterp` are what the Erlang API calls them; the latter leaves the choice
  # between an own and a shared GIL to the version of Python.
  defp named?(row, :auto), do: row.default
  defp named?(row, :owngil), do: row.name == :own_gil
  defp named?(row, :subinterp), do: row.execution_mode == :subinterp
  defp named?(row, name), do: row.name == name

  defp listed, do: Enum.map_join(names(), ", ", &inspect/1)

  defp unsupported(details),
    do: {:error, %StartError{reason: :unsupported_mode, details: details}}
end
