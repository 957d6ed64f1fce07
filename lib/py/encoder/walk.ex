defmodule Py.Encoder.Walk do
  @moduledoc false

  # Applies `Py.Encoder` to the structs in an operation. The native side turns structs without an
  # implementation into dicts by itself, so as long as there are no implementations nothing is
  # walked at all.

  alias Py.Encoder

  @native [
    Date,
    Time,
    NaiveDateTime,
    DateTime,
    Range,
    Decimal,
    Py.Object,
    Py.Buffer
  ]

  # What the protocol answers is settled when it is consolidated, after this is compiled.
  @dialyzer {:no_match, op: 1}

  @doc "The operation with its structs encoded."
  @spec op(Py.Native.op()) :: Py.Native.op()
  def op(op) do
    # Consolidated, the protocol knows all implementations there will ever be.
    case Encoder.__protocol__(:impls) do
      {:consolidated, []} -> op
      {:consolidated, [Any]} -> op
      _some_or_unknown -> tuple(op)
    end
  end

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
