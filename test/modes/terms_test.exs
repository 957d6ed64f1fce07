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

      test "an altered pickle is an error", %{context: context} do
        code = "import pickle\npickle.loads(pickle.dumps(pid)[:-12] + b'.')"
        assert {:error, %Error{}} = Context.eval(context, code, %{pid: self()})
      end
    end
  end

  # One of a kind, and another one. Functions go their own way: Python calls them.
  defp pairs do
    port = fn -> Port.open({:spawn, "cat"}, []) end
    [{self(), spawn(fn -> :ok end)}, {make_ref(), make_ref()}, {port.(), port.()}, {:one, :other}]
  end
end
