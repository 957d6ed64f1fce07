defmodule Py.Encoder.Walk do
  @moduledoc false

  # Applies `Py.Encoder` to the structs in an operation. The native side turns structs into dicts
  # by itself; where it meets one with an implementation, it says so, and only then an operation
  # is walked here. What nobody waits for is looked through beforehand, as there would be nobody
  # to hear it.

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
  @dialyzer {:no_match, encoders: 0, ahead: 1, any?: 2}

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

  @doc "The same, at the price of a look at operations without such structs."
  @spec ahead(Py.Native.op()) :: Py.Native.op()
  def ahead(op) do
    case encoders() do
      [] -> op
      encoders -> if any?(op, encoders), do: tuple(op), else: op
    end
  end

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

  # Whether the native side would meet a struct that it does not encode.
  defp any?([head | tail], encoders) when is_number(head) or is_binary(head) or is_atom(head),
    do: any?(tail, encoders)

  defp any?([head | tail], encoders), do: any?(head, encoders) or any?(tail, encoders)

  defp any?(tuple, encoders) when is_tuple(tuple),
    do: tuple |> Tuple.to_list() |> any?(encoders)

  defp any?(%MapSet{} = set, encoders), do: set |> MapSet.to_list() |> any?(encoders)
  defp any?(%struct{}, _encoders) when struct in @native, do: false

  defp any?(%struct{} = value, encoders) do
    encoders == :any or struct in encoders or
      value |> Map.from_struct() |> Map.values() |> any?(encoders)
  end

  defp any?(%{} = map, encoders), do: map |> Map.to_list() |> any?(encoders)
  defp any?(_other, _encoders), do: false
end
