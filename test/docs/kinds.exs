defmodule DocsTest.Kinds do
  @moduledoc "The words in which the guide's table speaks of values."

  @with_a_row [MapSet, Range, Date, Time, NaiveDateTime, DateTime, Decimal, Py.Buffer, Py.Channel]

  def elixir(constant) when constant in [nil, true, false], do: "`#{inspect(constant)}`"
  def elixir({:bytes, _binary}), do: "`{:bytes, binary}`"
  def elixir(value) when is_atom(value), do: "other atom"
  def elixir(value) when is_integer(value), do: "integer of any size"
  def elixir(value) when is_float(value), do: "float"
  def elixir(value) when is_list(value), do: "list"
  def elixir(value) when is_tuple(value), do: "tuple"
  def elixir(value) when is_pid(value), do: "pid"
  def elixir(value) when is_reference(value), do: "reference"
  def elixir(value) when is_port(value), do: "port"
  def elixir(value) when is_function(value), do: "function"

  def elixir(value) when is_binary(value),
    do: if(String.valid?(value), do: "UTF-8 binary", else: "other binary")

  def elixir(%struct{} = value) do
    cond do
      Py.Encoder.impl_for(value) not in [nil, Py.Encoder.Any] -> "struct with `Py.Encoder`"
      struct in @with_a_row -> "`#{inspect(struct)}`"
      true -> "other struct"
    end
  end

  def elixir(value) when is_map(value), do: "map"

  @doc "What came back, where Python alone has the value."
  def back(atom) when is_atom(atom), do: "`#{inspect(atom)}`"
  def back(binary) when is_binary(binary), do: "binary"
  def back(value), do: elixir(value)

  @doc "The same for a Python value; it takes one variable, `value`."
  def python do
    """
    def kind(value):
        cls = type(value)
        if value is None or value is True or value is False:
            return repr(value)
        if cls is float and repr(value) in ("nan", "inf", "-inf"):
            return "float " + repr(value)
        for base in cls.__mro__:
            name = f"{base.__module__}.{base.__qualname__}"
            if name == "enum.Enum":
                return name
            if base.__name__ == "PurePath":
                return "pathlib.PurePath"
        if hasattr(cls, "__dataclass_fields__"):
            return "dataclass"
        if hasattr(cls, "_fields"):
            return "collections.namedtuple"
        if cls.__module__ == "__main__":
            return "subclass of a built-in type"
        zone = ""
        if cls.__name__ == "datetime":
            zone = " without a zone" if value.tzinfo is None else " with a zone"
        module = cls.__module__.replace("_py", "") + "."
        return module.replace("builtins.", "") + cls.__qualname__ + zone
    kind(value)
    """
  end
end
