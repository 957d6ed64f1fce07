defmodule Py.ConversionError do
  @moduledoc """
  A value has no counterpart on the other side, so it was not passed.

    * `:path` - where in the data it is, outermost first: `["rows", 3, "price"]`
    * `:direction` - `:to_python` for arguments, before any Python ran; `:to_elixir` for results,
      `:to_json` for those asked for with `return: :json`
    * `:reason` - an atom for the kind of trouble: a cycle, a depth beyond the limit, an improper
      list, a bitstring, a lone surrogate, and so on
    * `:message` - the same in words

  ## Example

      iex> {:error, error} = Py.call(:builtins, :len, [[1, [2 | 3]]])
      iex> error.direction
      :to_python
      iex> Exception.message(error) =~ "cannot convert args[0][1] to Python"
      true

  """

  @type t :: %__MODULE__{
          path: [term],
          reason: atom,
          message: String.t(),
          direction: :to_python | :to_elixir | :to_json
        }

  defexception path: [], reason: nil, message: "", direction: :to_python

  @impl true
  def message(%__MODULE__{} = error) do
    "cannot convert #{place(error)} to #{side(error.direction)}: #{error.message}"
  end

  defp side(:to_python), do: "Python"
  defp side(:to_elixir), do: "Elixir"
  defp side(:to_json), do: "JSON"

  # A path that starts with a name (a variable, a keyword argument) reads like code by itself;
  # one that starts with a position is given the name of what is counted.
  defp place(%{path: [], direction: :to_python}), do: "the value"
  defp place(%{path: []}), do: "the result"
  defp place(%{path: [name | rest]}) when is_atom(name), do: "#{name}#{steps(rest)}"

  defp place(%{path: [name | rest]} = error) when is_binary(name) do
    if name =~ ~r/\A[[:alpha:]_][[:alnum:]_]*\z/u,
      do: name <> steps(rest),
      else: root(error) <> steps([name | rest])
  end

  defp place(%{path: path} = error), do: root(error) <> steps(path)

  defp root(%{direction: :to_python}), do: "args"
  defp root(_result), do: "result"

  defp steps(path), do: Enum.map_join(path, &"[#{inspect(&1, limit: 5, printable_limit: 50)}]")
end
