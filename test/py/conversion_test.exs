defmodule Py.ConversionTest do
  use Py.Case, async: true

  alias Py.{ConversionError, ConversionTable}

  # Rows are found again by name, since pids and functions cannot be written into a test's code.
  for %{name: name} = row <- ConversionTable.rows() do
    if Map.has_key?(row, :elixir) do
      test "#{name} goes over" do
        row = row(unquote(name))
        assert Py.eval(check(row), %{value: row.elixir}) == {:ok, true}
      end

      test "#{name} comes back" do
        row = row(unquote(name))
        assert Py.eval("value", %{value: row.elixir}) == {:ok, back(row)}
      end

      test "#{name} goes and comes back inside containers" do
        row = row(unquote(name))
        assert Py.eval("[value]", %{value: [{"k", row.elixir}]}) == {:ok, [[{"k", back(row)}]]}
      end
    end

    if Map.has_key?(row, :python) do
      test "#{name} comes from Python" do
        row = row(unquote(name))
        assert Py.eval(row.python) == {:ok, back(row)}
      end
    end
  end

  defp row(name), do: Enum.find(ConversionTable.rows(), &(&1.name == name))

  defp back(%{back: back}), do: back
  defp back(%{elixir: elixir}), do: elixir

  defp check(%{check: check}), do: check

  defp check(%{python: python}),
    do: "(lambda other: type(value) is type(other) and value == other)(#{python})"

  describe "what has no form in Elixir" do
    for {name, code, type} <- [
          {"a generator", "(n for n in [1])", "generator"},
          {"a function", "len", "builtin_function_or_method"},
          {"a module", "__import__('math')", "module"},
          {"a complex number", "1j", "complex"},
          {"a fraction", "__import__('fractions').Fraction(1, 3)", "fractions.Fraction"},
          {"a class", "int", "type"},
          {"a deque", "__import__('collections').deque()", "collections.deque"},
          {"an object", "object()", "object"}
        ] do
      test "#{name} stays an object" do
        assert {:ok, %Py.Object{type: unquote(type)}} = Py.eval(unquote(code))
      end
    end

    test "it is an object inside containers too" do
      assert {:ok, %{"f" => [%Py.Object{}, 1]}} = Py.eval("{'f': [len, 1]}")
    end
  end

  describe "what cannot go to Python" do
    for {name, value} <- [
          {"an improper list", quote(do: [1, 2 | 3])},
          {"a bitstring", quote(do: <<1::size(3)>>)},
          {"a list as a key", quote(do: %{[1] => 2})},
          {"two keys that Python cannot tell apart", quote(do: %{:a => 1, "a" => 2})}
        ] do
      test "#{name} is refused before any Python ran" do
        assert {:error, %ConversionError{} = error} =
                 Py.eval("1/0", %{value: [0, unquote(value)]})

        assert error.direction == :to_python
        assert [:value, 1 | _rest] = error.path
        assert Exception.message(error) =~ "cannot convert value[1]"
        assert is_atom(error.reason) and error.message != ""
      end
    end

    test "the path leads to the value" do
      rows = [%{}, %{}, %{}, %{"price" => <<1::size(3)>>}]
      assert {:error, error} = Py.eval("rows", %{"rows" => rows})
      assert error.path == ["rows", 3, "price"]
      assert Exception.message(error) =~ ~s(cannot convert rows[3]["price"] to Python)
    end

    test "the path of an argument starts with its place" do
      assert {:error, error} = Py.call(:builtins, :print, [1, {:ok, <<1::size(1)>>}])
      assert error.path == [1, 1]
      assert Exception.message(error) =~ "args[1][1]"
    end

    test "the path of a keyword argument starts with its name" do
      kwargs = [key: [<<1::size(1)>>]]
      assert {:error, error} = Py.call(:builtins, :sorted, [[]], kwargs: kwargs)
      assert Exception.message(error) =~ "key[0]"
    end

    test "nesting has a limit" do
      deep = Enum.reduce(1..100_000, [], fn _, inner -> [inner] end)
      assert {:error, %ConversionError{direction: :to_python}} = Py.eval("deep", %{deep: deep})
    end
  end

  describe "what cannot come from Python" do
    for {name, code} <- [
          {"a list that contains itself", "x = []\nx.append(x)\nx"},
          {"a dict that contains itself", "x = {}\nx['x'] = x\nx"},
          {"nesting without end", "x = []\nfor _ in range(100_000):\n    x = [x]\nx"},
          {"a lone surrogate", "'\\ud800'"},
          {"keys that Elixir cannot tell apart", "{'a': 1, b'a': 2}"}
        ] do
      test "#{name} is refused" do
        assert {:error, %ConversionError{direction: :to_elixir} = error} = Py.eval(unquote(code))
        assert Exception.message(error) =~ "to Elixir"
      end
    end

    test "the path leads to the value" do
      code = "{'rows': [0, {'name': '\\udfff'}]}"
      assert {:error, %ConversionError{path: ["rows", 1, "name"]} = error} = Py.eval(code)
      assert Exception.message(error) =~ ~s(rows[1]["name"])
    end

    test "a deep value is dropped without harm" do
      for _ <- 1..3, do: Py.eval("x = []\nfor _ in range(100_000):\n    x = [x]\nx")
      assert Py.eval("1 + 1") == {:ok, 2}
    end
  end

  test "10,000 maps cross in one go" do
    rows = for n <- 1..10_000, do: %{"id" => n, "name" => "row #{n}", "price" => n / 4}
    assert Py.eval("rows", %{rows: rows}) == {:ok, rows}
    assert {:ok, 10_000} = Py.call(:builtins, :len, [rows])
  end

  # Keys that came by before are found again by where they are or what they say.
  test "keys are told apart, however many there are and however alike" do
    keys =
      for(n <- 1..2_000, do: "key #{n}") ++
        for(n <- 60..70, byte <- [?a, ?b], do: String.duplicate(<<byte>>, n)) ++
        ["ü", "日本", "", "a\0b", <<255>>, <<255, 254>>]

    rows = for _ <- 1..3, key <- keys, do: %{key => key, "same" => %{key => 1}}
    assert Py.eval("rows", %{rows: rows}) == {:ok, rows}
    assert Py.eval("[{**row} for row in rows]", %{rows: rows}) == {:ok, rows}
  end

  test "keys that Python makes during the conversion are told apart, too" do
    code = """
    import itertools, types

    numbers = itertools.count()

    class Fresh(types.SimpleNamespace):
        @property
        def __dict__(self):
            return {f"key {next(numbers)}": 1}

    [Fresh() for _ in range(1000)]
    """

    assert Py.eval(code) == {:ok, for(n <- 0..999, do: %{"key #{n}" => 1})}
  end

  test "text and bytes of every short length keep what is theirs" do
    for size <- 0..130, mark <- [?a, ?b, 0xFF] do
      :binary.copy(<<mark>>, size)
    end
    |> then(&assert Py.eval("value", %{value: &1}) == {:ok, &1})
  end

  test "what does not cross leaves nothing behind for the next" do
    code = "['a', {'b': [1, {'c': '\\ud800'}]}]"
    assert {:error, %ConversionError{path: [1, "b", 1, "c"]}} = Py.eval(code)
    assert Py.eval("['a', {'b': [1, {'c': 'd'}]}]") == {:ok, ["a", %{"b" => [1, %{"c" => "d"}]}]}
  end

  test "a NIF-sized binary crosses unharmed" do
    data = :crypto.strong_rand_bytes(1_048_576)
    assert Py.eval("data", %{data: Py.bytes(data)}) == {:ok, data}
    assert Py.eval("bytes(data)", %{data: Py.buffer(data)}) == {:ok, data}
  end

  test "no atom is made from what Python returns" do
    unique = "seen_#{System.unique_integer([:positive])}_"
    code = "{unique + 'key' + str(n): unique + 'value' + str(n) for n in range(100)}"
    assert {:ok, map} = Py.eval(code, %{unique: unique})
    assert map_size(map) == 100

    for {key, value} <- map,
        text <- [key, value],
        do: assert_raise(ArgumentError, fn -> String.to_existing_atom(text) end)
  end

  # In a BEAM of its own, whose table it may fill.
  test "no way around erlang.atom fills the table of atoms" do
    code = """
    import erlang
    [str.__new__(erlang.Atom, f"atom-{n}") for n in range(100_001)]
    """

    eval = {Py, :eval, [code, %{}, [timeout: :infinity]]}
    assert {:ok, {:error, error}, _output} = Py.Child.run(eval)
    assert %Py.ConversionError{reason: :atom_limit, path: [100_000]} = error
    assert Exception.message(error) =~ "Python code has made 100000 atoms"
  end

  test "Python makes atoms only through erlang.atom" do
    assert Py.eval("import erlang\nerlang.atom('ok')") == {:ok, :ok}
    assert Py.eval("import erlang\n(erlang.atom('ok'), 'ok')") == {:ok, {:ok, "ok"}}
  end
end
