defmodule Py.ErrorTest do
  use Py.Case, async: true

  alias Py.Error

  doctest Py.Error

  defp raised(code) do
    assert {:error, %Error{} = error} = Py.eval(code)
    error
  end

  test "an exception has a type, a message and a traceback" do
    error = raised("1/0")
    assert error.type == "ZeroDivisionError"
    assert error.message == "division by zero"
    assert hd(error.traceback) == "Traceback (most recent call last):"
    assert List.last(error.traceback) == "ZeroDivisionError: division by zero"
    assert %Py.Object{type: "ZeroDivisionError"} = error.exception
  end

  test "the message is what Python prints" do
    message = Exception.message(raised("1/0"))
    assert String.starts_with?(message, "Traceback (most recent call last):\n")
    assert String.ends_with?(message, "ZeroDivisionError: division by zero")
  end

  test "the verb with a bang raises it" do
    assert_raise Error, ~r/ZeroDivisionError: division by zero/, fn -> Py.eval!("1/0") end

    assert_raise Error, ~r/expected a nonnegative|math domain/, fn ->
      Py.call!(:math, :sqrt, [-1])
    end

    assert_raise Error, ~r/NameError/, fn -> Py.exec!("nobody") end
  end

  test "the frames lead from the outermost call to the innermost" do
    error =
      raised("def outer():\n    return inner()\n\ndef inner():\n    return 1 / 0\n\nouter()")

    assert ["outer", "inner"] = error.frames |> Enum.map(& &1.function) |> Enum.take(-2)
    assert [_, 2, 5] = error.frames |> Enum.map(& &1.line) |> Enum.take(-3)
    assert Enum.all?(error.frames, &is_binary(&1.file))
  end

  test "frames of our own package are left out" do
    refute Enum.any?(raised("1/0").frames, &(&1.file =~ "erlang/_"))
  end

  test "the exception of a module has the module's name" do
    error = raised("import json\njson.loads('{')")
    assert error.type == "json.decoder.JSONDecodeError"
    assert Py.Object.getattr(error.exception, :pos) == {:ok, 1}
  end

  test "the exception of one's own class has the bare name" do
    assert raised("class Mine(Exception): pass\nraise Mine('x')").type == "Mine"
  end

  test "a syntax error says where" do
    error = raised("1 +")
    assert error.type == "SyntaxError"
    assert Exception.message(error) =~ "line 1"
  end

  test "a cause and a context are kept" do
    error = raised("try:\n    1/0\nexcept Exception as e:\n    raise ValueError('outer') from e")
    assert error.type == "ValueError"
    assert %Error{type: "ZeroDivisionError"} = error.cause
    assert Exception.message(error) =~ "direct cause"

    error = raised("try:\n    1/0\nexcept Exception:\n    raise ValueError('outer')")
    assert %Error{type: "ZeroDivisionError"} = error.context
    assert error.cause == nil

    error = raised("try:\n    1/0\nexcept Exception:\n    raise ValueError('outer') from None")
    assert error.context == nil
  end

  requires_python({3, 11})

  test "notes are kept" do
    error = raised("e = ValueError('x')\ne.add_note('remember')\nraise e")
    assert error.notes == ["remember"]
    assert Exception.message(error) =~ "remember"
  end

  requires_python({3, 11})

  test "the members of an exception group are kept" do
    error =
      raised(
        "raise ExceptionGroup('several', [ValueError('a'), ExceptionGroup('in', [KeyError(1)])])"
      )

    assert error.type == "ExceptionGroup"

    assert [%Error{type: "ValueError", message: "a"}, %Error{exceptions: [inner]}] =
             error.exceptions

    assert inner.type == "KeyError"
    assert Exception.message(error) =~ "several (2 sub-exceptions)"
  end

  for {type, code} <- [
        {"SystemExit", "raise SystemExit(3)"},
        {"SystemExit", "import sys\nsys.exit('bye')"},
        {"SystemExit", "exit()"},
        {"KeyboardInterrupt", "raise KeyboardInterrupt"},
        {"GeneratorExit", "raise GeneratorExit"},
        {"StopIteration", "next(iter([]))"},
        {"MemoryError", "raise MemoryError"},
        {"RecursionError", "def f(): return f()\nf()"}
      ] do
    test "#{code |> inspect()} is an error like any other" do
      assert raised(unquote(code)).type == unquote(type)
      assert Py.eval("1 + 1") == {:ok, 2}
    end
  end

  test "an exception whose str() raises is still an error" do
    error =
      raised("class Bad(Exception):\n    def __str__(self): raise ValueError('no')\nraise Bad()")

    assert error.type == "Bad"
    assert is_binary(error.message)
    assert is_binary(Exception.message(error))
  end

  test "an exception that is its own context is still an error" do
    error =
      raised(
        "e = ValueError('a')\nf = ValueError('b')\ne.__context__ = f\nf.__context__ = e\nraise e"
      )

    assert error.message == "a"
  end

  test "a message of a million characters arrives" do
    assert String.length(raised("raise ValueError('x' * 1_000_000)").message) == 1_000_000
  end

  test "a message with a lone surrogate arrives" do
    assert raised("raise ValueError('a\\ud800b')").message == "a\\ud800b"
  end

  test "JSON nested 50,000 deep gives an error" do
    assert {:error, %Error{type: type}} = Py.call(:json, :loads, [String.duplicate("[", 50_000)])

    # From 3.14 on what counts is the stack that is left, and it is enough to reach the end.
    assert type in ["RecursionError", "json.decoder.JSONDecodeError"]
    assert Py.eval("1 + 1") == {:ok, 2}
  end

  test "code nested too deep gives an error" do
    code = String.duplicate("(", 5_000) <> "1" <> String.duplicate(")", 5_000)
    assert {:error, %Error{type: type}} = Py.eval(code)
    assert type in ["SyntaxError", "MemoryError", "RecursionError"]
    assert Py.eval("1 + 1") == {:ok, 2}
  end

  test "no atom is made from an exception" do
    code = "raise type('Error' + str(n), (Exception,), {})('Message' + str(n))"

    for _ <- 1..100 do
      n = System.unique_integer([:positive])
      assert {:error, %Error{type: type, message: message}} = Py.eval(code, %{n: n})

      for text <- [type, message],
          do: assert_raise(ArgumentError, fn -> String.to_existing_atom(text) end)
    end
  end

  test "an unknown module is an ImportError" do
    assert {:error, %Error{type: "ModuleNotFoundError"}} = Py.call(:no_such_module, :f)
    assert {:error, %Error{type: "AttributeError"}} = Py.call(:math, :no_such_function)
    assert {:error, %Error{type: "TypeError"}} = Py.call(:math, :sqrt, [])
  end

  test "a description without a traceback still has a message" do
    error = Error.from_description(%{"type" => "OSError", "message" => "gone"})
    assert Exception.message(error) == "OSError: gone"
    assert Exception.message(%{error | message: ""}) == "OSError"
  end
end
