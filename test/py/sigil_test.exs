defmodule Py.SigilTest do
  use Py.Case, async: true

  import ExUnit.CaptureIO
  import Py.Sigil

  doctest Py.Sigil

  # `~PY` needs Elixir 1.15; this is what its parser makes of it.
  defp heredoc(code, line),
    do: {:sigil_PY, [line: line], [{:<<>>, [indentation: 2, line: line], [code]}, []]}

  defp evaluate(quoted, bindings \\ []) do
    import_it = quote(do: import(Py.Sigil))
    Code.eval_quoted({:__block__, [], [import_it, quoted]}, bindings, file: "lib/a_page.ex")
  end

  defp compile_error(quoted) do
    assert_raise CompileError, fn -> evaluate(quoted) end
  end

  describe "variables" do
    test "of Elixir are read by the code, also within its functions and comprehensions" do
      factor = 3
      numbers = [1, 2]
      assert sigil_PY("[n * factor for n in numbers]", []) == [3, 6]
      assert sigil_PY("def scale(n): return n * factor\nscale(5)", []) == 15
    end

    test "of the code become those of Elixir, rebinding what was there" do
      total = 1
      sigil_PY("total += 1\n(first, *rest) = [1, 2, 3]", [])
      assert {total, first, rest} == {2, 1, [2, 3]}
    end

    test "come from every statement that binds a name at the top level" do
      sigil_PY(
        """
        import os.path
        from math import gcd as divisor
        def double(n): return 2 * n
        for index in range(3): pass
        with open("/dev/null") as device: pass
        [last := n for n in [7, 8]]
        def fill():
            global filled
            filled = 1
        fill()
        """,
        []
      )

      assert %Py.Object{} = os
      assert %Py.Object{} = device
      assert Py.Object.call!(divisor, [12, 18]) == 6
      assert Py.Object.call!(double, [4]) == 8
      assert {index, last, filled} == {2, 8, 1}
      assert %Py.Object{} = fill
    end

    test "of functions, classes and comprehensions stay there" do
      n = :mine
      local = :mine
      sigil_PY("[n for n in range(3)]\ndef f():\n    local = 2\nclass C:\n    local = 3", [])
      assert {n, local} == {:mine, :mine}
      assert %Py.Object{} = f
    end

    test "with an underscore stay in Python" do
      _hidden = 1
      assert {:error, %Py.Error{type: "NameError"}} = attempt(fn -> sigil_PY("_hidden", []) end)
      sigil_PY("_scratch = 5\nresult = _scratch + 1", [])
      assert result == 6
    end

    test "that the code did not get to assign keep their values, or are nil" do
      kept = %{at: ~D[2024-02-29]}
      off = false
      sigil_PY("if off:\n    kept = 1\n    never = 1", [])
      assert {kept, never} == {%{at: ~D[2024-02-29]}, nil}
    end

    test "that the code reads and leaves alone are the same values afterwards" do
      point = %Py.Case.Point{x: 1, y: 2}
      off = false
      assert sigil_PY("if off:\n    point = None\npoint['x']", []) == 1
      assert %Py.Case.Point{x: 1} = point
    end

    test "of Python may have names that Elixir's cannot" do
      sigil_PY("class Shape:\n    sides = 4\nend = 1", [])
      assert sigil_PY("Shape.sides + end", []) == 5
    end

    test "that nobody uses give no warning" do
      code = """
      defmodule Py.SigilTest.Unused do
        import Py.Sigil
        def value(x), do: sigil_PY("unused = x\\nunused + 1", [])
        def nothing, do: sigil_PY("import json", [])
      end
      """

      assert capture_io(:stderr, fn -> Code.compile_string(code) end) == ""
      assert apply(Py.SigilTest.Unused, :value, [1]) == 2
    end
  end

  describe "where it runs" do
    test "objects of several sigils meet" do
      parts =
        Task.await(
          Task.async(fn ->
            sigil_PY("one = type('One', (), {})()", [])
            sigil_PY("two = type('Two', (), {})()", [])
            sigil_PY("[type(one).__name__, type(two).__name__]", [])
          end)
        )

      assert parts == ["One", "Two"]
    end

    test "the code sees what the process has executed, and leaves nothing there" do
      Py.exec!("def helper(): return 'helped'")
      assert sigil_PY("left = helper()\nleft", []) == "helped"
      assert left == "helped"
      assert {:error, %Py.Error{type: "NameError"}} = Py.eval("left")
    end

    test "the context of a bound process is used" do
      context = start_context()
      Py.Context.exec(context, "place = 'here'")
      :ok = Py.Router.bind_context(context)
      assert sigil_PY("place", []) == "here"
      Py.Router.unbind_context()
    end

    test "an object takes the code to its context" do
      context = start_context()
      Py.Context.exec(context, "import sys\nsys.sigil_mark = 'marked'")
      {:ok, sys} = Py.Context.eval(context, "sys", %{}, return: :object)
      assert sigil_PY("sys.sigil_mark", []) == "marked"
    end
  end

  describe "errors" do
    test "have the file and the line of the Elixir source" do
      code = "def fail():\n    raise ValueError('no')\nfail()\n"
      {:error, error} = attempt(fn -> evaluate(heredoc(code, 40)) end)
      assert {error.type, error.message} == {"ValueError", "no"}

      assert [{"lib/a_page.ex", 43, "<module>"}, {"lib/a_page.ex", 42, "fail"}] =
               for(frame <- error.frames, do: {frame.file, frame.line, frame.function})
    end

    test "of syntax are those of the Elixir compiler, at their line" do
      error = compile_error(heredoc("x = 1\nif x\n    pass\n", 40))
      assert {Path.basename(error.file), error.line} == {"a_page.ex", 42}
      assert error.description =~ "Python does not compile this: "
      assert error.description =~ "if x"
    end

    test "of use are told at compile time" do
      pattern = quote(do: fn sigil_PY("x", []) -> :ok end)
      assert compile_error(pattern).description =~ "no pattern"
      assert compile_error(quote(do: sigil_PY("x", ~c"a"))).description =~ "no modifiers"
      assert compile_error(quote(do: sigil_PY(code, []))).description =~ "as it is written"
    end
  end

  test "code may be given in a sigil that has no escapes, for older versions of Elixir" do
    name = "beam"

    assert sigil_PY(
             ~S"""
             f"{name}\n".upper()
             """,
             []
           ) == "BEAM\n"
  end

  if Version.match?(System.version(), ">= 1.15.0") do
    test "the sigil itself can be written" do
      code = """
      import Py.Sigil
      x = 20
      value = ~PY"x + 1"
      ~PY\"\"\"
      y = x * 2
      raise ValueError(y)
      \"\"\"
      """

      {:error, error} = attempt(fn -> Code.eval_string(code, [], file: "lib/a_page.ex") end)
      assert error.message == "40"
      assert [%{file: "lib/a_page.ex", line: 6}] = error.frames
    end
  end

  defp attempt(fun) do
    {:ok, fun.()}
  rescue
    error in Py.Error -> {:error, error}
  end
end
