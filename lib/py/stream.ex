defmodule Py.Stream do
  @moduledoc false

  # Iterables of Python as streams. Items are fetched in batches, one request each, so that the
  # context serves others in between and Python produces no more than is wanted. `erlang._stream`
  # is the other half: it drives iterators and asynchronous generators alike.

  alias Py.{Native, Object, Options, Request}

  @max_items Options.default(:batch)

  # A batch is handed over after that many seconds even if it is not full.
  @max_seconds 0.005

  @doc "A stream over what an operation answers with. The operation runs when the stream does."
  @spec over_result(Native.op(), map, Native.format()) :: Enumerable.t()
  def over_result(op, options, format) do
    Stream.resource(
      fn -> op |> Request.run(options, :object) |> Request.bang!() |> open(options) end,
      &next(&1, options, format),
      &close(&1, options)
    )
  end

  @doc "A stream over an object."
  @spec over(Object.t(), map) :: Enumerable.t()
  def over(object, options),
    do:
      Stream.resource(
        fn -> open(object, options) end,
        &next(&1, options, :term),
        &close(&1, options)
      )

  @doc "The operation that makes a stream of an object."
  @spec open_op(Object.t()) :: Native.op()
  def open_op(object), do: {:call, "erlang._stream", "open", [object], []}

  @doc "The operation that fetches so many items, with whether there are more."
  @spec take_op(Object.t(), pos_integer) :: Native.op()
  def take_op(stream, max_items \\ @max_items),
    do: {:call_method, stream, "take", [max_items, @max_seconds], []}

  @doc "The operation that ends a stream, so that `finally` blocks run."
  @spec close_op(Object.t()) :: Native.op()
  def close_op(stream), do: {:call_method, stream, "close", [], []}

  @doc "The options for an operation on an object."
  @spec beside(Object.t(), map) :: map
  def beside(object, options), do: %{context: object.context, timeout: options.timeout}

  defp open(object, options),
    do: object |> open_op() |> Request.run(beside(object, options), :object) |> Request.bang!()

  defp next(nil, _options, _format), do: {:halt, nil}

  defp next(stream, options, format) do
    operation = take_op(stream, options.batch)

    case operation |> Request.run(beside(stream, options), format) |> Request.bang!() do
      {items, true} -> {items, stream}
      {items, false} -> {items, nil}
    end
  end

  # An error on the way out would hide the one that is the reason for it.
  defp close(nil, _options), do: :ok
  defp close(stream, options), do: Request.run(close_op(stream), beside(stream, options), :term)
end
