defmodule Py.Context.PreparationTest do
  # The configuration is one for all contexts.
  use Py.Case, async: false

  import ExUnit.CaptureLog

  setup do
    on_exit(fn ->
      for key <- [:imports, :preload_code], do: Application.delete_env(:erlang_python, key)
    end)
  end

  defp configure(values),
    do: for({key, value} <- values, do: Application.put_env(:erlang_python, key, value))

  for %{name: mode, supported: true} <- Py.Mode.all() do
    test "#{mode}: modules are imported and code is executed before the first request" do
      configure(
        imports: [:colorsys, "xml.dom"],
        preload_code: "import math as maths\ndef area(r): return round(maths.pi * r * r)\n"
      )

      context = start_context(mode: unquote(mode))
      loaded = "import sys\n'colorsys' in sys.modules and 'xml.dom' in sys.modules"
      assert Py.eval(loaded, %{}, context: context) == {:ok, true}
      assert Py.eval("area(2)", %{}, context: context) == {:ok, 13}
      assert Py.call(:__main__, :area, [1], context: context) == {:ok, 3}
    end
  end

  test "namespaces of processes, and those of one eval, begin with the names of preload_code" do
    configure(preload_code: "total = 1\ndef double(x): return 2 * x\n")
    {:ok, _contexts} = Py.Router.start_pool(:preloaded, 1)
    on_exit(fn -> Py.Router.stop_pool(:preloaded) end)

    assert Py.eval("double(21)", %{}, pool: :preloaded) == {:ok, 42}

    Task.await(
      Task.async(fn ->
        assert Py.exec("total += double(1)", pool: :preloaded) == :ok
        assert Py.eval("total", %{}, pool: :preloaded) == {:ok, 3}
      end)
    )

    assert Py.eval("total", %{}, pool: :preloaded) == {:ok, 1}
    assert Py.eval("total", %{}, context: hd(Py.Router.contexts(:preloaded))) == {:ok, 1}
  end

  test "what fails is logged, and the context works" do
    configure(imports: [:no_such_module, :colorsys], preload_code: "1 / 0")
    {context, log} = with_log(fn -> start_context() end)
    assert Py.eval("1 + 1", %{}, context: context) == {:ok, 2}
    loaded = "import sys\n'colorsys' in sys.modules"
    assert Py.eval(loaded, %{}, context: context) == {:ok, true}
    assert log =~ "The module no_such_module, from `imports:`, cannot be imported"
    assert log =~ "No module named 'no_such_module'"
    assert log =~ "The `preload_code:` fails"
    assert log =~ "ZeroDivisionError"
    assert log =~ inspect(context)
  end

  test "a pool whose preparation fails serves everybody, and so does a context that replaces another" do
    configure(preload_code: "raise SystemExit('no')")

    capture_log(fn ->
      {:ok, [context]} = Py.Router.start_pool(:unprepared, 1)
      on_exit(fn -> Py.Router.stop_pool(:unprepared) end)
      assert Py.eval("1", %{}, pool: :unprepared) == {:ok, 1}
      kill(context)
      assert eventually(fn -> Py.eval("2", %{}, pool: :unprepared) == {:ok, 2} end)
    end)
  end

  requires_interpreters()

  test "an extension that refuses sub-interpreters is imported where it can be" do
    {major, minor, _patch} = Py.Runtime.python().version
    refused = if {major, minor} < {3, 14}, do: :readline, else: :_curses
    configure(imports: [refused])
    {context, log} = with_log(fn -> start_context() end)
    assert log == "" or not (log =~ "[error]")
    loaded = "import sys\nname in sys.modules"
    assert Py.eval(loaded, %{name: refused}, context: context) == {:ok, false}
    assert Py.eval(loaded, %{name: refused}, context: start_context(mode: :worker)) == {:ok, true}
  end

  test "the wrong kind of value is an error of the configuration" do
    configure(imports: "colorsys")

    assert_raise ArgumentError, ~r/not a value for the option :imports/, fn ->
      Py.Options.env(:imports)
    end
  end
end
