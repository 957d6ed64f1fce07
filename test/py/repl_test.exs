defmodule Py.ReplTest do
  use Py.Case, async: true

  import ExUnit.CaptureIO

  setup do
    %{context: start_context()}
  end

  # What the prompt shows for these lines. There is no echo, as no terminal is involved.
  defp typed(lines, opts) do
    output = capture_io(Enum.map_join(lines, &(&1 <> "\n")), fn -> :ok = Py.Repl.start(opts) end)
    [banner, rest] = String.split(output, "\n", parts: 2)
    assert banner =~ ~r/^Python 3\.\d+\.\S+ in .*; exit\(\) leaves$/
    rest
  end

  test "shows the values of expressions and what is printed", %{context: context} do
    assert typed(["40 + 2", "print('hello')", "x = 1", "'text'"], context: context) ==
             ">>> 42\n>>> hello\n>>> >>> 'text'\n>>> \n"
  end

  test "remembers the last value as _", %{context: context} do
    assert typed(["40 + 2", "_ / 2"], context: context) == ">>> 42\n>>> 21.0\n>>> \n"
  end

  test "reads on until a statement is complete", %{context: context} do
    lines = ["def f(n):", "    return n * 2", "", "f(", "21)", "", "'''a", "b'''"]

    assert typed(lines, context: context) ==
             ">>> ... ... >>> ... 42\n>>> >>> ... 'a\\nb'\n>>> \n"
  end

  test "shows exceptions as Python does, and goes on", %{context: context} do
    lines = ["def f(): raise ValueError('no')", "", "f()", "1 +", "'still here'"]
    output = typed(lines, context: context)

    assert output =~ """
           >>> Traceback (most recent call last):
             File "<stdin>", line 1, in <module>
             File "<stdin>", line 1, in f
           ValueError: no
           >>>   File "<stdin>", line 1
           """

    # Python 3.10 calls it incomplete input.
    assert output =~ ~r/SyntaxError: .+\n>>> 'still here'/
  end

  test "ends with exit(), and leaves the context as it is", %{context: context} do
    assert typed(["x = 7", "exit()", "never"], context: context) == ">>> >>> "
    assert Py.Context.eval(context, "x") == {:ok, 7}
  end

  test "is in the namespace that the context's users share", %{context: context} do
    Py.Context.exec(context, "shared = 'seen'")
    assert typed(["shared"], context: context) == ">>> 'seen'\n>>> \n"
  end

  test "goes on after an interrupt", %{context: context} do
    me = self()
    Py.register_function(:repl_ready, fn -> send(me, :ready) end)

    prompt =
      Task.async(fn ->
        typed(["import erlang", "erlang.repl_ready(); erlang.sleep(600)", "1 + 1"],
          context: context
        )
      end)

    assert_receive :ready, 20_000
    Py.Context.interrupt(context)
    assert Task.await(prompt, 20_000) =~ ~r/interrupt.*\n>>> 2\n/s
    Py.unregister_function(:repl_ready)
  end

  test "takes a place in a pool, and says when there is none" do
    assert capture_io("", fn -> assert Py.Repl.start(context: 1) == :ok end) =~
             "in context 1 of the pool :default"

    assert {:error, %Py.ContextError{reason: :not_found}} = Py.Repl.start(pool: :no_such_pool)
    assert {:error, %Py.ContextError{reason: :not_found}} = Py.Repl.start(context: :nobody)
  end

  describe "completion" do
    defp complete(context, line),
      do: Py.Repl.expand(context, line |> String.to_charlist() |> Enum.reverse())

    test "finishes a name that is the only one", %{context: context} do
      Py.Context.exec(context, "import os\nmarvellous = 1")
      assert complete(context, "x = marv") == {:yes, ~c"ellous", []}
      assert complete(context, "os.path.spl") |> elem(1) == ~c"it"
    end

    test "lists what there is otherwise, and goes as far as they agree", %{context: context} do
      Py.Context.exec(context, "longer_name = longer_word = 1")
      assert complete(context, "lon") == {:yes, ~c"ger_", [~c"longer_name", ~c"longer_word"]}
      assert {:no, ~c"", []} = complete(context, "no_such_thing")

      # These two differ in the second byte of a character.
      Py.Context.exec(context, "zoé = zoè = 1")
      assert {:yes, ~c"", [_one, _two]} = complete(context, "zo")
    end

    test "indents a line that is empty so far", %{context: context} do
      assert complete(context, "  ") == {:yes, ~c"    ", []}
      assert complete(context, "f(") == {:no, ~c"", []}
    end

    test "survives what Python does and a context that is gone", %{context: context} do
      Py.Context.exec(context, "class C:\n    def __getattr__(self, name): 1 / 0\nc = C()")
      assert {_yes_or_no, _more, _words} = complete(context, "c.d.e")
      Py.Context.stop(context)
      assert complete(context, "pri") == {:no, ~c"", []}
    end
  end

  test "attaches to a context of another node", %{context: context} do
    output =
      capture_io("node_of\nprint('from there')\nexit()\n", fn ->
        Py.Context.exec(context, "node_of = 'here'")
        # This node is one that it can attach to; mix py.repl is tested with a second one.
        assert Py.Repl.attach(node(), context: context) == :ok
      end)

    assert output =~ ">>> 'here'\n>>> from there\n"
  end
end
