defmodule Py.RuntimeTest do
  use Py.Case, async: false

  alias Py.Runtime

  test "it knows the Python it found, and that is the one that runs" do
    python = Runtime.python()
    assert python.version == Runtime.info().version_info
    assert Py.eval("import sys\ntuple(sys.version_info[:3])") == {:ok, python.version}
    assert Py.eval("import sys\nsys.version") == {:ok, Py.version()}
  end

  test "Python sees its own prefix and our package" do
    assert Py.eval("import sys\nsys.prefix") == {:ok, Runtime.python().prefix}
    folder = Application.app_dir(:erlang_python, "priv/python")
    assert {:ok, file} = Py.eval("import erlang\nerlang.__file__")
    assert String.starts_with?(file, folder)
  end

  test "starting it again is no work" do
    assert Runtime.start() == :ok
    assert Py.eval("1") == {:ok, 1}
  end

  test "a second Python in one VM is refused with a reason" do
    :ok = Application.put_env(:erlang_python, :python, "/some/other/python3")
    on_exit(fn -> Application.delete_env(:erlang_python, :python) end)
    assert {:error, %Py.StartError{reason: :initialisation_failed} = error} = Runtime.start()
    assert Exception.message(error) =~ "restart the VM"
  end

  test "Python code runs on a stack of its own size" do
    assert {:ok, _} =
             Py.eval(
               "import json\ndata = 1\nfor _ in range(900):\n    data = [data]\njson.dumps(data)"
             )
  end

  test "info is a map of facts" do
    info = Py.info()
    assert info.num_contexts == Py.Router.num_contexts()
    assert info.open_contexts >= length(Py.Router.contexts())
    assert info.elixir == System.version()
    assert is_boolean(info.free_threaded)
    assert File.exists?(info.executable) and File.exists?(info.libpython)
  end
end
