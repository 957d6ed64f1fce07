defmodule Facade.ErrorsTest do
  use Py.Case, async: false

  alias Py.Context

  describe "errors" do
    test "of built-in exceptions have an atom, of others a binary" do
      assert :py.eval("1/0") == {:error, {:ZeroDivisionError, "division by zero"}}
      assert {:error, {:NameError, _}} = :py.eval("nobody")
      assert {:error, {:NameError, _}} = :py.exec("nobody")
      assert {:error, {:ModuleNotFoundError, _}} = :py.call(:no_such_module, :f, [])
      assert {:error, {"json.decoder.JSONDecodeError", _}} = :py.call(:json, :loads, ["{"])
      assert {:error, {"Mine", "x"}} = :py.eval("class Mine(Exception): pass\nraise Mine('x')")
    end

    test "every built-in exception of this Python has its atom" do
      code =
        "import builtins\n[n for n, v in vars(builtins).items() if isinstance(v, type) and issubclass(v, BaseException) and v.__name__ == n]"

      {:ok, names} = Py.eval(code)

      for name <- names do
        error = %Py.Error{type: name, message: "m"}
        assert :py_terms.answer({:error, error}) == {:error, {String.to_atom(name), "m"}}
      end
    end

    test "of contexts are atoms" do
      context = start_context()
      Context.stop(context)
      assert :py.eval(context, "1") == {:error, :closed}
      assert :py.eval(:nobody, "1") == {:error, :not_found}
      assert :py.call(:nobody, :math, :sqrt, [1], %{timeout: 5}) == {:error, :not_found}
    end

    test "of conversion say where" do
      assert {:error, {:conversion_error, text}} = :py.call(:builtins, :len, [[1 | 2]])
      assert text =~ "args[0]"
    end

    test "of a mode that cannot be say why" do
      assert {:error, {:start_error, text}} = :py_context.start_link(1, :warp)
      assert text =~ ":auto"
    end
  end
end
