defmodule Py.Modes.RecursionTest do
  # Each BEAM started here is busy for a while.
  use Py.Case, async: false

  alias Py.{Child, Recursion}

  @moduletag timeout: 300_000

  # What CPython says of a depth that is too much for it; the last two are a parser's.
  @errors ~w(RecursionError ValueError MemoryError SyntaxError)
  @too_deep "Py.ConversionError: too_deep"

  for %{name: mode, supported: true} <- Py.Mode.all() do
    test "#{mode}: code that goes too deep gets an error or a value, and the context lives on" do
      work = {Recursion, :run, [unquote(mode)]}
      assert {:ok, results, _output} = Child.run(work, timeout: 240_000)

      errors = for {name, {:error, error}} <- results, do: {name, error}

      # One ends in a `finally` that raises; two need modules that 3.12 refuses.
      other = [
        {"exceptions below exceptions", "ZeroDivisionError"},
        {"a callback from C", "ImportError"},
        {"xml", "ImportError"}
      ]

      assert for(
               {_, error} = pair <- errors -- other,
               error not in [@too_deep | @errors],
               do: pair
             ) == []

      for name <- ["a function that calls itself", "__getattr__", "copy.deepcopy"],
          do: assert({name, "RecursionError"} in errors)

      for name <- ["a value for Elixir", "a value from Elixir"],
          do: assert({name, @too_deep} in errors)
    end
  end
end
