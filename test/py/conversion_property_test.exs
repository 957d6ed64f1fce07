defmodule Py.ConversionPropertyTest do
  # What the rows of the conversion table say of examples, for values that PropEr makes up: any
  # family within any other.
  use Py.Case, async: true

  # Debian has it as erlang-proper.
  unless Code.ensure_loaded?(:proper), do: @moduletag(skip: "PropEr is not installed")

  @compile {:no_warn_undefined, [:proper, :proper_types, :proper_unicode]}

  @values 500

  defp holds?(values, property) do
    options = [:quiet, {:numtests, @values}, {:max_size, 12}]
    :proper.quickcheck(:proper.forall(values, property), options)
  end

  defp counterexample, do: :proper.counterexample()

  test "a value comes back as what it was" do
    context = start_context()
    there_and_back = &Py.eval("value", %{value: &1}, context: context)
    assert holds?(value(), &(there_and_back.(&1) === {:ok, &1})), inspect(counterexample())
  end

  test "a value is the same for Python when it comes the second time" do
    context = start_context()
    code = "type(one) is type(other) and one == other"

    equal = fn value ->
      Py.eval(code, %{one: value, other: value}, context: context) == {:ok, true}
    end

    assert holds?(value(), equal), inspect(counterexample())
  end

  test "text and numbers are the same as JSON" do
    context = start_context()

    as_json = fn value ->
      {:ok, text} = Py.eval("value", %{value: value}, context: context, return: :json)
      Py.eval("value", %{value: Py.json(text)}, context: context) === {:ok, value}
    end

    assert holds?(document(), as_json), inspect(counterexample())
  end

  test "whatever a process may hold gets an answer, and the context lives on" do
    context = start_context()

    answered = fn term ->
      {kind, _} = Py.eval("value", %{value: term}, context: context)
      kind in [:ok, :error] and Py.eval("1", %{}, context: context) == {:ok, 1}
    end

    anything = union([:proper_types.any(), pair(:proper_types.any(), :proper_types.any())])
    assert holds?(anything, answered), inspect(counterexample())
  end

  ## What values there are

  defp value, do: :proper_types.sized(&value/1)

  defp value(size) when size < 2, do: scalar()

  defp value(size) do
    smaller = :proper_types.lazy(fn -> value(div(size, 3)) end)

    union([
      scalar(),
      :proper_types.list(smaller),
      pair(smaller, smaller),
      made(:proper_types.list(pair(key(), smaller)), &Map.new/1),
      made(:proper_types.list(key()), &MapSet.new/1)
    ])
  end

  defp document, do: :proper_types.sized(&document/1)
  defp document(size) when size < 2, do: union([integer(), float(), text(), atom()])

  defp document(size) do
    smaller = :proper_types.lazy(fn -> document(div(size, 3)) end)
    pairs = :proper_types.list(pair(text(), smaller))
    union([document(1), :proper_types.list(smaller), made(pairs, &Map.new/1)])
  end

  defp scalar, do: union([integer(), float(), atom(), text(), bytes(), range(), date()])

  # Python takes 1, 1.0 and True for the same key.
  defp key, do: union([integer(), text(), pair(integer(), text())])

  defp integer do
    large = made(:proper_types.integer(), &(&1 * &1 * &1 * 9_876_543_210_987))
    union([:proper_types.integer(), large])
  end

  defp float, do: :proper_types.float()
  defp text, do: :proper_unicode.utf8()
  defp atom, do: union(for atom <- [nil, true, false], do: :proper_types.exactly(atom))

  # Bytes that are text by chance come back all the same.
  defp bytes, do: :proper_types.binary()
  defp range, do: made(pair(small(), small()), fn {first, last} -> first..last//3 end)
  defp date, do: made(small(), &Date.add(~D[2000-01-01], &1))
  defp small, do: :proper_types.integer(-40_000, 40_000)

  defp union(types), do: :proper_types.union(types)
  defp pair(one, other), do: :proper_types.tuple([one, other])
  defp made(type, make), do: :proper_types.bind(type, make, false)
end
