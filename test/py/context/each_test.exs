defmodule Py.Context.EachTest do
  # It asks every context there is.
  use Py.Case, async: false

  alias Py.Context.Each
  alias Py.ContextError

  @which {:eval, "import sys\nid(sys.modules)", %{}}

  test "runs once in every interpreter, however many contexts share it" do
    for mode <- [:auto, :worker, :worker], do: start_context(mode: mode)
    {:ok, answers} = Each.run(@which)
    interpreters = for {_context, id} <- answers, do: id
    assert interpreters == Enum.uniq(interpreters)

    for context <- Py.Native.context_list(),
        do: assert(Py.eval!(elem(@which, 1), %{}, context: context) in interpreters)
  end

  test "names a context that is busy, which does it afterwards" do
    # Alone in its interpreter where the mode allows it; else another context stands in for it.
    [busy, _idle] = for _ <- 1..2, do: start_context()
    held = occupy(busy)
    op = {:exec, "import sys\nsys.each_has_been_here = True"}

    case Each.run(op, 500) do
      {:error, %ContextError{reason: :timeout} = error} ->
        assert Py.execution_mode() == :subinterp
        assert Exception.message(error) =~ inspect(busy)
        assert Exception.message(error) =~ "Py.Context.interrupt/1"

      {:ok, _answers} ->
        refute Py.execution_mode() == :subinterp
    end

    release(held)
    assert Py.eval("import sys\nsys.each_has_been_here", %{}, context: busy) == {:ok, true}

    {:ok, _answers} =
      Each.run({:exec, "import sys\nsys.__dict__.pop('each_has_been_here', None)"})

    assert Process.info(self(), :messages) == {:messages, []}
  end

  test "the first error is the answer, and no context is left out for it" do
    for _ <- 1..2, do: start_context()
    code = "import sys\nsys.each_tried = True\n1 / 0"
    assert {:error, %Py.Error{type: "ZeroDivisionError"}} = Each.run({:exec, code})

    for context <- Py.Native.context_list(),
        do: assert(Py.eval("import sys\nsys.each_tried", %{}, context: context) == {:ok, true})

    {:ok, _answers} = Each.run({:exec, "import sys\ndel sys.each_tried"})
  end

  test "a function that Python waits for may use it" do
    context = start_context()
    fun = fn -> match?({:ok, _answers}, Each.run({:eval, "1", %{}}, 1_000)) end
    assert Py.eval("fun()", %{fun: fun}, context: context) == {:ok, true}
  end

  describe "reload" do
    @describetag :tmp_dir

    test "reads a package and what is below it again, where it is loaded", %{tmp_dir: folder} do
      package = Path.join(folder, "each_shop")
      File.mkdir_p!(package)
      write = &File.write!(Path.join(package, &1), &2)
      write.("__init__.py", "from each_shop.tax import RATE\n")
      write.("tax.py", "RATE = 1\n")
      context = start_context()
      code = "import sys\nsys.path.insert(0, folder)\nimport each_shop\neach_shop.RATE"
      assert Py.eval(code, %{folder: folder}, context: context) == {:ok, 1}

      # Longer than before: Python tells sources apart by their size and the second.
      write.("tax.py", "RATE = 1000\n")
      assert Py.reload(:each_shop) == {:ok, ["each_shop.tax", "each_shop"]}
      rate = "import each_shop\neach_shop.RATE"
      assert Py.eval(rate, %{}, context: context) == {:ok, 1000}
      assert Py.reload("each_nobody") == {:ok, []}

      write.("tax.py", "RATE = = 1\n")
      assert {:error, %Py.Error{type: "SyntaxError"}} = Py.reload("each_shop.tax")
      assert Py.eval(rate, %{}, context: context) == {:ok, 1000}
      restore = "import sys\nsys.path.remove(folder)"
      assert {:ok, nil} = Py.eval(restore, %{folder: folder}, context: context)
    end
  end
end
