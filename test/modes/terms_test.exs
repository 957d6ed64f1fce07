defmodule Py.Modes.TermsTest do
  @moduledoc "Terms that Python has no type of its own for: pids, references, ports, functions, atoms."
  use Py.Case, async: true

  alias Py.{Context, Error}

  @facts """
  import pickle
  [
      (one == same, hash(one) == hash(same), {one: "found"}[same]),
      (one == other, one == 1, one == repr(one)),
      pickle.loads(pickle.dumps(one)) == one,
      pickle.loads(pickle.dumps([one, one])),
  ]
  """

  for %{name: mode, supported: true} <- Py.Mode.all() do
    describe "#{mode}" do
      setup do
        %{context: start_context(mode: unquote(mode))}
      end

      test "they are equal, keys of dicts, and pickled as what they are", %{context: context} do
        for {one, other} <- pairs() do
          names = %{one: one, same: one, other: other}

          assert Context.eval(context, @facts, names) ==
                   {:ok, [{true, true, "found"}, {false, false, false}, true, [one, one]]}
        end
      end

      test "they sort as in the BEAM", %{context: context} do
        for {one, other} <- pairs() do
          sorted = Enum.sort([one, other])
          names = %{one: one, other: other}
          assert Context.eval(context, "sorted([one, other])", names) == {:ok, sorted}
          assert Context.eval(context, "sorted([other, one])", names) == {:ok, sorted}
        end
      end

      test "what is not alike has no order", %{context: context} do
        names = %{pid: self(), number: make_ref()}
        assert {:error, %Error{type: "TypeError"}} = Context.eval(context, "pid < number", names)
        assert {:error, %Error{type: "TypeError"}} = Context.eval(context, "pid < 1", names)
      end

      test "copies and pickles are the same terms, here and in another context", %{
        context: context
      } do
        other = start_context(mode: unquote(mode))
        code = "import copy\n(copy.copy(one), copy.deepcopy([one])[0])"

        for {one, _other} <- pairs() do
          assert Context.eval(context, code, %{one: one}) == {:ok, {one, one}}
          {:ok, pickle} = Context.call(context, :pickle, :dumps, [one])
          assert Context.call(other, :pickle, :loads, [Py.bytes(pickle)]) == {:ok, one}
        end
      end

      test "functions are keys and sort like the others, and cannot be pickled", %{
        context: context
      } do
        {one, other} = {&String.length/1, fn -> :mine end}
        names = %{one: one, same: one, other: other}
        code = "(one == same, hash(one) == hash(same), {one: 'found'}[same], one == other)"
        assert Context.eval(context, code, names) == {:ok, {true, true, "found", false}}
        sorted = {:ok, Enum.sort([one, other])}
        assert Context.eval(context, "sorted([one, other])", names) == sorted
        assert Context.eval(context, "sorted([other, one])", names) == sorted

        assert {:error, %Error{type: "TypeError", message: message}} =
                 Context.call(context, :pickle, :dumps, [one])

        assert message =~ "Fun"
      end

      test "an altered pickle is an error", %{context: context} do
        code = "import pickle\npickle.loads(pickle.dumps(pid)[:-12] + b'.')"
        assert {:error, %Error{}} = Context.eval(context, code, %{pid: self()})
      end
    end
  end

  # One of a kind, and another one. Functions have tests of their own: they are not pickled.
  defp pairs do
    port = fn -> Port.open({:spawn, "cat"}, []) end
    [{self(), spawn(fn -> :ok end)}, {make_ref(), make_ref()}, {port.(), port.()}, {:one, :other}]
  end
end
