defmodule Py.ConversionErrorTest do
  use Py.Case, async: true

  alias Py.ConversionError

  doctest Py.ConversionError

  defp said(path, direction \\ :to_python) do
    error = %ConversionError{path: path, direction: direction, message: "no"}
    Exception.message(error)
  end

  test "a path reads like code" do
    assert said(["rows", 3, "price"]) == ~s(cannot convert rows[3]["price"] to Python: no)
    assert said([:rows, 3, :price]) == ~s(cannot convert rows[3][:price] to Python: no)
    assert said([0, "a"]) == ~s(cannot convert args[0]["a"] to Python: no)
    assert said([0, "a"], :to_elixir) == ~s(cannot convert result[0]["a"] to Elixir: no)

    assert said(["not a name"], :to_elixir) ==
             ~s(cannot convert result["not a name"] to Elixir: no)

    assert said([]) == "cannot convert the value to Python: no"
    assert said([], :to_elixir) == "cannot convert the result to Elixir: no"
  end

  test "a long key is cut short" do
    assert String.length(said([0, String.duplicate("x", 10_000)])) < 200
  end
end
