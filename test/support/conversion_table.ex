defmodule Py.ConversionTable do
  @moduledoc """
  What becomes what: the specification of the conversion, as data.

  Each row has a `:name` and some of these:

    * `:elixir` - the value on our side
    * `:python` - an expression for the same value there
    * `:check` - an expression over `value` that holds for it there, where no literal would do
    * `:back` - what comes back, when it is not `:elixir`

  A row without `:elixir` is one way: Python has the value, Elixir gets `:back`. With `:python`, a
  value that goes over has to be equal to it and of the same type.
  """

  @doc "All rows."
  def rows,
    do:
      Enum.concat([
        numbers(),
        atoms(),
        text(),
        containers(),
        time(),
        beam(),
        structs(),
        python_only()
      ])

  defp numbers do
    [
      %{name: "a small integer", elixir: 42, python: "42"},
      %{name: "zero", elixir: 0, python: "0"},
      %{name: "a negative integer", elixir: -7, python: "-7"},
      %{
        name: "the largest 64-bit integer",
        elixir: 9_223_372_036_854_775_807,
        python: "2**63 - 1"
      },
      %{
        name: "the smallest 64-bit integer",
        elixir: -9_223_372_036_854_775_808,
        python: "-2**63"
      },
      %{name: "one beyond 64 bits", elixir: 18_446_744_073_709_551_616, python: "2**64"},
      %{name: "one below 64 bits", elixir: -9_223_372_036_854_775_809, python: "-2**63 - 1"},
      %{name: "a very large integer", elixir: Integer.pow(10, 1000), python: "10**1000"},
      %{name: "a very small integer", elixir: -Integer.pow(3, 999), python: "-(3**999)"},
      %{
        name: "an integer of exactly 256 bytes",
        elixir: Integer.pow(2, 2048) - 1,
        python: "2**2048 - 1"
      },
      %{name: "a float", elixir: 1.5, python: "1.5"},
      %{name: "negative zero", elixir: -0.0, check: "repr(value) == '-0.0'"},
      %{name: "a large float", elixir: 1.7976931348623157e308, python: "1.7976931348623157e308"},
      %{name: "a small float", elixir: 5.0e-324, python: "5e-324"},
      %{name: "not a number", python: "float('nan')", back: :nan},
      %{name: "infinity", python: "float('inf')", back: :infinity},
      %{name: "negative infinity", python: "float('-inf')", back: :neg_infinity}
    ]
  end

  defp atoms do
    [
      %{name: "nil", elixir: nil, python: "None"},
      %{name: "true", elixir: true, python: "True"},
      %{name: "false", elixir: false, python: "False"},
      %{name: "an atom", elixir: :ok, python: "__import__('erlang').Atom('ok')"},
      %{
        name: "an atom is a string",
        elixir: :ok,
        check:
          "value == 'ok' and hash(value) == hash('ok') and str(value) == 'ok' and isinstance(value, str)"
      },
      %{name: "an atom in Latin-1", elixir: :grüße, check: "value == 'gr\\u00fc\\u00dfe'"},
      %{
        name: "an atom beyond Latin-1",
        elixir: :привет,
        check: "value == '\\u043f\\u0440\\u0438\\u0432\\u0435\\u0442'"
      },
      %{name: "a module", elixir: Enum, check: "value == 'Elixir.Enum'"},
      %{
        name: "an atom of 255 characters",
        elixir: String.to_atom(String.duplicate("a", 255)),
        check: "len(value) == 255"
      },
      %{
        name: "undefined is an atom like any other",
        elixir: :undefined,
        check: "value == 'undefined'"
      },
      %{
        name: "atoms as map keys",
        elixir: %{rows: 1},
        check: "[type(key) for key in value] == [str]",
        back: %{"rows" => 1}
      }
    ]
  end

  defp text do
    [
      %{name: "a string", elixir: "text", python: "'text'"},
      %{name: "the empty string", elixir: "", python: "''"},
      %{name: "a string in Latin-1", elixir: "grüße", python: "'gr\\u00fc\\u00dfe'"},
      %{name: "a string in the basic plane", elixir: "日本", python: "'\\u65e5\\u672c'"},
      %{name: "a string beyond it", elixir: "🐍", python: "'\\U0001f40d'"},
      %{name: "a string with a NUL", elixir: "a\0b", python: "'a\\0b'"},
      %{name: "a long string", elixir: String.duplicate("x", 100_000), python: "'x' * 100_000"},
      %{
        name: "a binary that is not UTF-8",
        elixir: <<255, 0, 254>>,
        python: "bytes([255, 0, 254])"
      },
      %{name: "a truncated UTF-8 sequence", elixir: <<195>>, python: "b'\\xc3'"},
      %{
        name: "a surrogate in UTF-8's form",
        elixir: <<0xED, 0xA0, 0x80>>,
        python: "b'\\xed\\xa0\\x80'"
      },
      %{name: "bytes", elixir: {:bytes, "abc"}, python: "b'abc'", back: "abc"},
      %{name: "a sub-binary", elixir: binary_part("hello world", 6, 5), python: "'world'"},
      %{
        name: "a buffer",
        elixir: %Py.Buffer{binary: "abc"},
        check: "bytes(value) == b'abc' and memoryview(value).readonly",
        back: "abc"
      },
      %{name: "a charlist", elixir: ~c"abc", python: "[97, 98, 99]"}
    ]
  end

  defp containers do
    [
      %{name: "the empty list", elixir: [], python: "[]"},
      %{name: "a nested list", elixir: [1, [2, [3, []]]], python: "[1, [2, [3, []]]]"},
      %{name: "the empty tuple", elixir: {}, python: "()"},
      %{name: "a tuple", elixir: {1, "two", {3.0}}, python: "(1, 'two', (3.0,))"},
      %{name: "the empty map", elixir: %{}, python: "{}"},
      %{
        name: "a map with string keys",
        elixir: %{"a" => 1, "b" => [2]},
        python: "{'a': 1, 'b': [2]}"
      },
      %{
        name: "a map with other keys",
        elixir: %{1 => "int", 2.5 => "float", {1, 2} => "tuple", nil => "none"},
        python: "{1: 'int', 2.5: 'float', (1, 2): 'tuple', None: 'none'}"
      },
      %{
        name: "a map with more than 32 keys",
        elixir: Map.new(1..100, &{&1, &1}),
        python: "{n: n for n in range(1, 101)}"
      },
      %{name: "a keyword list", elixir: [a: 1], check: "value == [('a', 1)]"},
      %{name: "a set", elixir: MapSet.new([1, "two", {3}]), python: "{1, 'two', (3,)}"},
      %{name: "the empty set", elixir: MapSet.new(), python: "set()"},
      %{name: "a frozen set", python: "frozenset([1, 2])", back: MapSet.new([1, 2])},
      %{name: "a range", elixir: 1..3, python: "range(1, 4)"},
      %{name: "a range with a step", elixir: 1..10//3, python: "range(1, 11, 3)"},
      %{name: "a falling range", elixir: 3..1//-1, python: "range(3, 0, -1)"},
      %{name: "an empty range", elixir: 1..0//1, python: "range(1, 1)"},
      %{name: "a large list", elixir: Enum.to_list(1..10_000), python: "list(range(1, 10_001))"}
    ]
  end

  defp time do
    [
      %{
        name: "a date",
        elixir: ~D[2024-02-29],
        python: "__import__('datetime').date(2024, 2, 29)"
      },
      %{name: "a time", elixir: ~T[12:30:59], python: "__import__('datetime').time(12, 30, 59)"},
      %{
        name: "a time with microseconds",
        elixir: ~T[12:30:59.000123],
        python: "__import__('datetime').time(12, 30, 59, 123)"
      },
      %{
        name: "a time with milliseconds",
        elixir: ~T[12:30:59.250],
        python: "__import__('datetime').time(12, 30, 59, 250_000)",
        back: ~T[12:30:59.250000]
      },
      %{
        name: "a naive datetime",
        elixir: ~N[2024-02-29 12:30:59.000123],
        python: "__import__('datetime').datetime(2024, 2, 29, 12, 30, 59, 123)"
      },
      %{
        name: "a datetime in UTC",
        elixir: ~U[2024-02-29 12:30:59Z],
        python:
          "__import__('datetime').datetime(2024, 2, 29, 12, 30, 59, tzinfo=__import__('datetime').timezone.utc)"
      },
      %{
        name: "a datetime in a zone",
        elixir: berlin(),
        check:
          "value.utcoffset().total_seconds() == 7200 and str(value.tzinfo) in ('Europe/Berlin', 'CEST')"
      },
      %{
        name: "a datetime with a fixed offset",
        python:
          "(lambda d: d.datetime(2024, 1, 1, 12, tzinfo=d.timezone(d.timedelta(hours=2))))(__import__('datetime'))",
        back: ~U[2024-01-01 10:00:00Z]
      }
    ]
  end

  # Built by hand: Elixir without a time zone database knows UTC only.
  defp berlin do
    %DateTime{
      year: 2024,
      month: 7,
      day: 1,
      hour: 12,
      minute: 0,
      second: 0,
      microsecond: {0, 0},
      time_zone: "Europe/Berlin",
      zone_abbr: "CEST",
      utc_offset: 3600,
      std_offset: 3600
    }
  end

  defp beam do
    reference = make_ref()

    [
      %{
        name: "a pid",
        elixir: self(),
        check: "type(value).__name__ == 'Pid' and value == value and hash(value) == hash(value)"
      },
      %{name: "a reference", elixir: reference, check: "type(value) is __import__('erlang').Ref"},
      %{
        name: "a port",
        elixir: hd(Port.list()),
        check: "type(value) is __import__('erlang').Port"
      },
      %{
        name: "a function",
        elixir: &String.upcase/1,
        check: "type(value) is __import__('erlang').Fun"
      },
      %{name: "pids as keys", elixir: %{self() => 1}, check: "list(value.values()) == [1]"},
      %{
        name: "equal references",
        elixir: {reference, reference},
        check: "value[0] == value[1] and len({value[0], value[1]}) == 1"
      },
      %{
        name: "a channel",
        elixir: channel(),
        check: "type(value).__qualname__ == 'Channel' and value.try_send(1)"
      }
    ]
  end

  defp channel do
    {:ok, channel} = Py.Channel.new()
    channel
  end

  defp structs do
    [
      %{
        name: "a decimal",
        elixir: decimal(1, 12_345, -2),
        python: "__import__('decimal').Decimal('123.45')"
      },
      %{
        name: "a negative decimal",
        elixir: decimal(-1, 5, 3),
        python: "__import__('decimal').Decimal('-5E+3')"
      },
      %{
        name: "a decimal that is not a number",
        elixir: decimal(1, :NaN, 0),
        check: "value.is_nan()"
      },
      %{
        name: "an infinite decimal",
        elixir: decimal(-1, :inf, 0),
        python: "__import__('decimal').Decimal('-Infinity')"
      },
      %{
        name: "a struct",
        elixir: struct(Py.Case.Point, x: 1, y: 2),
        python: "{'x': 1, 'y': 2}",
        back: %{"x" => 1, "y" => 2}
      },
      %{
        name: "a struct with an encoder",
        elixir: struct(Py.Case.Money, amount: 5, currency: :eur),
        python: "(5, 'eur')",
        back: {5, "eur"}
      },
      %{
        name: "a struct that keeps fields back",
        elixir: struct(Py.Case.User, name: "Ada", password: "x"),
        python: "{'name': 'Ada'}",
        back: %{"name" => "Ada"}
      }
    ]
  end

  # Not written as a literal, since the struct may come from a package or from the tests.
  defp decimal(sign, coef, exp), do: struct(Decimal, sign: sign, coef: coef, exp: exp)

  defp python_only do
    [
      %{
        name: "a named tuple",
        python: "__import__('collections').namedtuple('P', 'x y')(1, 2)",
        back: {1, 2}
      },
      %{
        name: "an ordered dict",
        python: "__import__('collections').OrderedDict(a=1)",
        back: %{"a" => 1}
      },
      %{
        name: "a default dict",
        python: "__import__('collections').defaultdict(list, a=[1])",
        back: %{"a" => [1]}
      },
      %{
        name: "a counter",
        python: "__import__('collections').Counter('aab')",
        back: %{"a" => 2, "b" => 1}
      },
      %{
        name: "an enum member",
        python: "__import__('enum').Enum('Colour', {'RED': 'r'}).RED",
        back: "r"
      },
      %{
        name: "an integer enum member",
        python: "__import__('enum').IntEnum('Level', {'LOW': 1}).LOW",
        back: 1
      },
      %{
        name: "a dataclass",
        python: "__import__('dataclasses').make_dataclass('P', ['x', 'y'])(1, [2])",
        back: %{"x" => 1, "y" => [2]}
      },
      %{
        name: "a UUID",
        python: "__import__('uuid').UUID(int=0)",
        back: "00000000-0000-0000-0000-000000000000"
      },
      %{name: "a path", python: "__import__('pathlib').PurePosixPath('/a/b')", back: "/a/b"},
      %{name: "a bytearray", python: "bytearray(b'abc')", back: "abc"},
      %{name: "a memory view", python: "memoryview(b'abcd')[1:3]", back: "bc"},
      %{name: "an array", python: "__import__('array').array('B', [1, 2])", back: <<1, 2>>},
      %{name: "a subclass of int", python: "type('Number', (int,), {})(7)", back: 7},
      %{name: "a subclass of str", python: "type('Text', (str,), {})('t')", back: "t"},
      %{name: "a subclass of list", python: "type('Items', (list,), {})([1])", back: [1]},
      %{
        name: "a bool in a container",
        python: "[True, None, {'k': False}]",
        back: [true, nil, %{"k" => false}]
      }
    ]
  end
end
