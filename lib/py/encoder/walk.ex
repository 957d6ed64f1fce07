defmodule Py.Encoder.Walk do
  @moduledoc false

  # Applies `Py.Encoder` to the structs in an operation. The native side turns structs into dicts
  # by itself; where it meets one with an implementation, it says so, and only then an operation
  # is walked here.

  alias Py.Encoder

  @native [
    Date,
    Time,
    NaiveDateTime,
    DateTime,
    Range,
    Decimal,
    Py.Object,
    Py.Buffer,
    Py.JSON,
    Py.Channel
  ]

  # What the protocol answers is settled when it is consolidated, after this is compiled.
  @dialyzer {:no_match, encoders: 0}

  @doc "The structs with an implementation; `:any` if more may come, as without consolidation."
  @spec encoders() :: [module] | :any
  def encoders do
    case Encoder.__protocol__(:impls) do
      {:consolidated, structs} -> List.delete(structs, Any)
      :not_consolidated -> :any
    end
  end

  @doc "The operation with its structs encoded."
  @spec op(Py.Native.op()) :: Py.Native.op()
  def op(op), do: if(encoders() == [], do: op, else: tuple(op))

  @doc "A value with its structs encoded."
  @spec value(term) :: term
  def value(value), do: if(encoders() == [], do: value, else: term(value))

  # Elements of an improper list are left for the native side to refuse, with their path.
  defp term([head | tail]), do: [term(head) | term(tail)]
  defp term(tuple) when is_tuple(tuple) and tuple_size(tuple) > 0, do: tuple(tuple)
  defp term(%MapSet{} = set), do: MapSet.new(set, &term/1)
  defp term(%struct{} = value) when struct in @native, do: value

  defp term(%_struct{} = value) do
    case Encoder.impl_for(value) do
      implementation when implementation in [nil, Encoder.Any] ->
        value |> Map.from_struct() |> term()

      implementation ->
        value |> implementation.encode() |> term()
    end
  end

  defp term(%{} = map), do: Map.new(map, fn {key, value} -> {term(key), term(value)} end)
  defp term(other), do: other

  defp tuple(tuple), do: tuple |> Tuple.to_list() |> Enum.map(&term/1) |> List.to_tuple()
end
