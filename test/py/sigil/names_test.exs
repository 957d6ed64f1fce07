defmodule Py.Sigil.NamesTest do
  use Py.Case, async: true

  alias Py.Sigil.Names

  @code "import os\nx = y + len(z)\n[n for n in z]\n"

  test "are those that the code reads from outside, and those that it assigns" do
    assert Names.find(@code, "lib/a.ex", 1) == {:ok, ["len", "y", "z"], ["os", "x"]}
  end

  test "are the same without a running library" do
    assert {:ok, answer, _output} = Py.Child.run({Py.Case.Sigils, :stopped, [@code, 1]})
    assert answer == Names.find(@code, "lib/a.ex", 1)
  end

  test "of code that does not compile are its error, with and without a running library" do
    code = "x = 1\nx = = 2\n"
    assert {:error, 11, message} = Names.find(code, "lib/a.ex", 10)
    assert message =~ "invalid syntax"

    assert {:ok, {:error, 11, ^message}, _output} =
             Py.Child.run({Py.Case.Sigils, :stopped, [code, 10]})
  end

  test "are all that may be meant where no Python is found, and the code still runs" do
    assert {:ok, answers, _output} = Py.Child.run({Py.Case.Sigils, :without_python, [@code]})
    assert {[{:ok, names, names}, {:ok, [], []}], {3, 2}} = answers
    assert Enum.all?(["os", "x", "y", "len", "z"], &(&1 in names))
  end

  test "do not include attributes when they are guessed" do
    assert Names.guess("a.b + c1 * 2x") == {:ok, ["a", "c1"], ["a", "c1"]}
  end
end
