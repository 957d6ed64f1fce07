defmodule Py.Decoder do
  @moduledoc false

  # The option `as:`. Python's names are text; only those that are fields of the struct are looked
  # at, so no atom is made from what Python says.

  @doc "What a function makes of a value, or a struct with the fields that a map has."
  @spec decode(term, module | (term -> term)) :: term
  def decode(value, function) when is_function(function, 1), do: function.(value)
  def decode(list, module) when is_list(list), do: Enum.map(list, &decode(&1, module))

  def decode(map, module) when is_map(map) and not is_struct(map) do
    Enum.reduce(fields(module), struct(module), fn field, struct ->
      case map do
        %{^field => value} -> Map.put(struct, field, value)
        _map -> named(struct, field, Atom.to_string(field), map)
      end
    end)
  end

  def decode(other, _module), do: other

  defp named(struct, field, name, map) do
    case map do
      %{^name => value} -> Map.put(struct, field, value)
      _map -> struct
    end
  end

  defp fields(module), do: Map.keys(module.__struct__()) -- [:__struct__, :__exception__]
end
