defmodule Py.JSONTest do
  use Py.Case, async: true

  alias Py.ConversionError

  doctest Py.JSON

  # Python's own `json` is the judge of what our text says and of what theirs means.
  @values [
    {"constants", "[None, True, False]"},
    {"integers", "[0, -1, 2**31, -2**63, 2**63 - 1, 2**64, -2**100, 10**40]"},
    {"floats", "[0.0, -0.0, 1.5, 0.1, 1e300, 5e-324, 1e16, -2.5e-8, 123456789.123]"},
    {"text",
     "['', 'a', 'grüße', '日本', '🐍', '\\0\\x1f\\x7f\"\\\\/\\n\\r\\t\\b\\f', 'x' * 10_000]"},
    {"lists", "[[], [[]], [1, [2, [3]]]]"},
    {"objects", "[{}, {'a': {'b': [{}]}}, {'': 0, '\\n': 1}]"},
    {"many keys", "{f'key {n}': n for n in range(1000)}"},
    {"keys that are no text", "{1: 'int', -5: 0, True: 1, None: 2, 2.5: 3, 2**70: 4}"},
    {"rows", "[{'id': n, 'name': f'row {n}', 'price': n / 4} for n in range(2000)]"}
  ]

  for %{name: mode, supported: true} <- Py.Mode.all() do
    describe "#{mode}:" do
      setup do: %{context: start_context(mode: unquote(mode))}

      for {name, code} <- @values do
        test "#{name} are written as Python's json understands them", %{context: context} do
          code = unquote(code)
          {:ok, text} = Py.eval(code, %{}, return: :json, context: context)
          same = "import json\njson.loads(text) == json.loads(json.dumps(#{code}))"
          assert Py.eval(same, %{text: text}, context: context) == {:ok, true}
        end

        test "#{name} are read as Python's json reads them", %{context: context} do
          {:ok, text} =
            Py.eval("import json\njson.dumps(#{unquote(code)})", %{}, context: context)

          same = """
          import json
          expected = json.loads(text)
          value == expected and repr(value) == repr(expected)
          """

          vars = %{text: text, value: Py.json(text)}
          assert Py.eval(same, vars, context: context) == {:ok, true}
        end
      end
    end
  end

  describe "what has a form of its own" do
    for {name, code, json} <- [
          {"a date", "datetime.date(2024, 2, 29)", ~s("2024-02-29")},
          {"a time", "datetime.time(12, 30, 0, 5)", ~s("12:30:00.000005")},
          {"a naive datetime", "datetime.datetime(2024, 1, 2)", ~s("2024-01-02T00:00:00")},
          {"a datetime in UTC", "datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc)",
           ~s("2024-01-02T00:00:00+00:00")},
          {"a datetime with an offset",
           "datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))",
           ~s("2024-01-02T00:00:00+02:00")},
          {"a decimal", "decimal.Decimal('1.50')", ~s("1.50")},
          {"a UUID", "uuid.UUID(int=0)", ~s("00000000-0000-0000-0000-000000000000")},
          {"a path", "pathlib.PurePosixPath('/a/b')", ~s("/a/b")},
          {"an enum member", "enum.Enum('Colour', {'RED': 'r'}).RED", ~s("r")},
          {"a dataclass", "dataclasses.make_dataclass('P', ['x', 'y'])(1, [None])",
           ~s({"x":1,"y":[null]})},
          {"a named tuple", "collections.namedtuple('P', 'x y')(1, 2)", "[1,2]"},
          {"an ordered dict", "collections.OrderedDict(b=1, a=2)", ~s({"b":1,"a":2})},
          {"a tuple", "(1, ('a',))", ~s([1,["a"]])},
          {"a set", "{1}", "[1]"},
          {"a range", "range(3)", "[0,1,2]"},
          {"an atom", "__import__('erlang').Atom('ok')", ~s("ok")},
          {"a date as a key", "{datetime.date(2024, 2, 29): 1}", ~s({"2024-02-29":1})},
          {"subclasses",
           "[type('N', (int,), {})(7), type('T', (str,), {})('t'), type('L', (list,), {})([1])]",
           ~s([7,"t",[1]])}
        ] do
      test "#{name} is written so" do
        imports = "import collections, dataclasses, datetime, decimal, enum, pathlib, uuid\n"

        assert Py.eval(imports <> unquote(code), %{}, return: :json) == {:ok, unquote(json)}
      end
    end
  end

  describe "what has no form in JSON" do
    for {name, code, path, reason} <- [
          {"not a number", "{'rows': [1, {'price': float('nan')}]}", ["rows", 1, "price"],
           :not_finite},
          {"an infinite number", "[float('-inf')]", [0], :not_finite},
          {"bytes", "b'abc'", [], :no_json_form},
          {"a function", "[len]", [0], :no_json_form},
          {"a lone surrogate", "['\\ud800']", [0], :not_utf8},
          {"a tuple as a key", "{(1, 2): 3}", ["(1, 2)"], :bad_key},
          {"an infinite key", "{float('inf'): 3}", ["inf"], :not_finite},
          {"nesting without end", "x = []\nfor _ in range(100_000):\n    x = [x]\nx", :any,
           :too_deep},
          {"a list that contains itself", "x = []\nx.append(x)\nx", :any, :cyclic}
        ] do
      test "#{name} is refused, with its path" do
        assert {:error, %ConversionError{direction: :to_json} = error} =
                 Py.eval(unquote(code), %{}, return: :json)

        assert error.reason == unquote(reason)
        if unquote(path) != :any, do: assert(error.path == unquote(path))
        assert Exception.message(error) =~ "to JSON: "
      end
    end

    test "an exception on the way is Python's own" do
      code = """
      import dataclasses

      @dataclasses.dataclass
      class Lazy:
          x: int

          def __getattribute__(self, name):
              raise LookupError("not now")

      [Lazy(1)]
      """

      assert {:error, %Py.Error{type: "LookupError", message: "not now"}} =
               Py.eval(code, %{}, return: :json)
    end
  end

  describe "what is no JSON" do
    for {name, text, place} <- [
          {"nothing", "", "line 1 column 0"},
          {"half an object", ~s({"a":), "line 1 column 5"},
          {"a comma too many", "[1,]", "line 1 column 4"},
          {"two values", "[1] 2", "line 1 column 5"},
          {"Python's own constants", "[NaN]", "line 1 column 2"},
          {"single quotes", "{'a': 1}", "line 1 column 2"},
          {"a number that is none", "01", "line 1 column 2"},
          {"text that is not UTF-8", <<?", 255, ?">>, "line 1 column 2"},
          {"half a surrogate", ~S(["\ud800"]), "line 1 column"},
          {"an error further down", "{\n  \"a\": 1,\n  b\n}", "line 3 column 3"}
        ] do
      test "#{name} is refused, with its place" do
        assert {:error, %ConversionError{} = error} =
                 Py.eval("1/0", %{body: [Py.json(unquote(text))]})

        assert {error.path, error.direction} == {[:body, 0], :to_python}
        assert error.reason == :invalid_json
        assert error.message =~ unquote(place)
      end
    end

    test "nesting has a limit" do
      for depth <- [1_000, 900_000] do
        deep = String.duplicate("[", depth) <> String.duplicate("]", depth)
        result = Py.eval("type(x).__name__", %{x: Py.json(deep)})

        if depth == 1_000 do
          assert result == {:ok, "list"}
        else
          assert {:error, %ConversionError{reason: :too_deep}} = result
        end
      end
    end
  end

  test "integers keep all their digits, however many" do
    digits = "-" <> String.duplicate("1234567890", 1_000)
    assert Py.eval("x", %{x: Py.json(digits)}) == {:ok, String.to_integer(digits)}
    assert Py.eval("x", %{x: String.to_integer(digits)}, return: :json) == {:ok, digits}
  end

  test "the last of several equal keys wins" do
    assert Py.eval("x", %{x: Py.json(~s({"a": 1, "b": 2, "a": 3}))}) ==
             {:ok, %{"a" => 3, "b" => 2}}
  end

  test "no key has a meaning" do
    text = ~s({"$serde_json::private::Number":"12"})
    assert Py.eval("x", %{x: Py.json(text)}, return: :json) == {:ok, text}
  end

  test "every verb that gives a value can give JSON" do
    assert Py.call(:builtins, :sorted, [Py.json("[2, 1]")], return: :json) == {:ok, "[1,2]"}
    assert Py.call!(:math, :factorial, [5], return: :json) == "120"
    {:ok, deque} = Py.call(:collections, :deque, [[[1], "a"]])
    assert Py.Object.get_item(deque, 0, return: :json) == {:ok, "[1]"}
    assert Py.Object.call_method(deque, :pop, [], return: :json) == {:ok, ~s("a")}
    assert Py.Object.getattr(deque, :maxlen, return: :json) == {:ok, "null"}
    assert :builtins |> Py.spawn_call(:abs, [-1], return: :json) |> Py.await() == {:ok, "1"}
  end

  test "a struct beside it is still encoded" do
    money = %Py.Case.Money{amount: 5, currency: :eur}

    assert Py.eval("[a, b]", %{a: Py.json("[1]"), b: money}, return: :json) ==
             {:ok, ~s([[1],[5,"eur"]])}
  end

  test "Erlang has it too" do
    ctx = :py.context(1)
    value = :py.json("{\"a\": [null]}")

    assert :py.call(ctx, :builtins, :dict, [value], %{return: :json}) ==
             {:ok, ~s({"a":[null]})}

    assert :py.eval("x", %{x: value}) == {:ok, %{"a" => [:none]}}
    assert {:error, {:conversion_error, message}} = :py.eval("x", %{x: :py.json("[")})
    assert message =~ "line 1 column 1"
  end

  test "large documents go and come back" do
    rows = for n <- 1..20_000, do: %{"id" => n, "name" => "row #{n}", "tags" => ["a", "ü"]}
    assert {:ok, text} = Py.eval("rows", %{rows: rows}, return: :json)
    assert byte_size(text) > 500_000
    assert Py.eval("rows == again", %{rows: rows, again: Py.json(text)}) == {:ok, true}
  end
end
