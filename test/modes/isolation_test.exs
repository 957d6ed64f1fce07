defmodule Py.Modes.IsolationTest do
  # One test for each statement of the guide about what contexts share.
  use Py.Case, async: true

  defmodule Pair do
    @moduledoc false

    # Where contexts have an interpreter each, modules are private; elsewhere they are shared.
    def private?(%{execution_mode: execution_mode}), do: execution_mode == :subinterp
  end

  for %{name: mode, supported: true} = row <- Py.Mode.all() do
    @private Pair.private?(row)

    describe "#{mode}" do
      setup do
        %{one: start_context(mode: unquote(mode)), two: start_context(mode: unquote(mode))}
      end

      test "the interpreter of a context is #{if @private, do: "its own", else: "the main one"}",
           %{one: one, two: two} do
        {:ok, %{interp_id: first}} = Py.Context.info(one)
        {:ok, %{interp_id: second}} = Py.Context.info(two)
        assert if(@private, do: first != second and first != 0, else: {first, second} == {0, 0})
      end

      test "a name in one context is not seen in another", %{one: one, two: two} do
        :ok = Py.Context.exec(one, "x = 1\nimport math\ndef double(y): return 2 * y")

        for name <- ["x", "math", "double"] do
          assert {:ok, _} = Py.Context.eval(one, "#{name} is None")
          assert {:error, %Py.Error{type: "NameError"}} = Py.Context.eval(two, name)
        end

        assert Py.Context.call(one, :__main__, :double, [4]) == {:ok, 8}
        assert {:error, _} = Py.Context.call(two, :__main__, :double, [4])
      end

      test "a global that a function sets is its own context's", %{one: one, two: two} do
        code = "count = 0\ndef up():\n    global count\n    count += 1\n    return count"
        for context <- [one, two], do: :ok = Py.Context.exec(context, code)
        assert Py.Context.call(one, :__main__, :up) == {:ok, 1}
        assert Py.Context.call(one, :__main__, :up) == {:ok, 2}
        assert Py.Context.call(two, :__main__, :up) == {:ok, 1}
      end

      test "a module is imported #{if @private, do: "in each", else: "once for all"}",
           %{one: one, two: two} do
        name = unique("module")

        :ok =
          Py.Context.exec(one, "import sys, types\nsys.modules[#{name}] = types.ModuleType('m')")

        assert Py.Context.eval(two, "__import__('sys').modules.get(#{name}) is None") ==
                 {:ok, @private}

        :ok = Py.Context.exec(one, "del sys.modules[#{name}]")
      end

      test "a change to a module is #{if @private, do: "not seen", else: "seen"} by others",
           %{one: one, two: two} do
        name = unique("attribute")
        :ok = Py.Context.exec(one, "import json\nsetattr(json, #{name}, 1)")
        assert Py.Context.eval(two, "hasattr(__import__('json'), #{name})") == {:ok, not @private}
        :ok = Py.Context.exec(one, "delattr(json, #{name})")
      end

      test "a change to builtins is #{if @private, do: "not seen", else: "seen"} by others",
           %{one: one, two: two} do
        name = unique("builtin")
        :ok = Py.Context.exec(one, "import builtins\nsetattr(builtins, #{name}, 1)")

        assert Py.Context.eval(two, "hasattr(__import__('builtins'), #{name})") ==
                 {:ok, not @private}

        :ok = Py.Context.exec(one, "delattr(builtins, #{name})")
      end

      test "sys.path is #{if @private, do: "its own", else: "everybody's"}", %{one: one, two: two} do
        name = unique("/folder")
        :ok = Py.Context.exec(one, "import sys\nsys.path.append(#{name})")
        assert Py.Context.eval(two, "#{name} in __import__('sys').path") == {:ok, not @private}
        :ok = Py.Context.exec(one, "sys.path.remove(#{name})")
      end

      test "os.environ is #{if @private, do: "a copy of its own", else: "everybody's"}",
           %{one: one, two: two} do
        name = unique("VARIABLE")
        for context <- [one, two], do: :ok = Py.Context.exec(context, "import os")
        :ok = Py.Context.exec(one, "os.environ[#{name}] = 'set'")
        assert Py.Context.eval(two, "#{name} in os.environ") == {:ok, not @private}
        :ok = Py.Context.exec(one, "del os.environ[#{name}]")
      end

      test "the environment of the process is everybody's", %{one: one, two: two} do
        name = unique("VARIABLE")
        :ok = Py.Context.exec(one, "import os\nos.putenv(#{name}, 'set')")
        # A new copy of the module looks at it afresh.
        code = """
        import importlib.util
        spec = importlib.util.find_spec('posix')
        posix = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(posix)
        posix.environ[name.encode()]
        """

        assert Py.Context.eval(two, code, %{name: String.trim(name, "'")}) == {:ok, "set"}
        :ok = Py.Context.exec(one, "os.unsetenv(#{name})")
      end

      test "the working directory and open files are the process's", %{one: one, two: two} do
        here = Py.Context.eval(one, "__import__('os').getcwd()")
        assert here == Py.Context.eval(two, "__import__('os').getcwd()")
        {:ok, file} = Py.Context.eval(one, "__import__('os').open('/dev/null', 0)")
        assert {:ok, _status} = Py.Context.eval(two, "list(__import__('os').fstat(#{file}))")
        {:ok, nil} = Py.Context.eval(two, "__import__('os').close(#{file})")
      end

      test "a context that ends takes nothing from the others", %{one: one, two: two} do
        for context <- [one, two], do: :ok = Py.Context.exec(context, "import decimal, re\nx = 1")
        Py.Context.stop(one)
        assert Py.Context.eval(two, "x + len(re.findall('a', 'aa'))") == {:ok, 3}
        assert Py.Context.eval(two, "str(decimal.Decimal('0.1') * 3)") == {:ok, "0.3"}
      end
    end
  end

  # A name as Python source, so that tests that run at the same time do not meet.
  defp unique(name), do: "'#{name}_#{System.unique_integer([:positive])}'"
end
