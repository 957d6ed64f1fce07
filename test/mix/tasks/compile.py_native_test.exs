defmodule Mix.Tasks.Compile.PyNativeTest do
  use ExUnit.Case, async: true

  alias Mix.Tasks.Compile.PyNative
  alias Py.Runtime.Locator

  test "does nothing when nothing has changed" do
    {:ok, python} = Locator.locate()

    assert PyNative.up_to_date?(python)
    assert PyNative.run([]) == {:noop, []}
  end

  test "puts the native code and the Python package where the application looks for them" do
    {:ok, python} = Locator.locate()
    priv = Application.app_dir(:erlang_python, "priv")

    for name <- ["py_loader.so", "py_nif-#{python.tag}.so"] do
      assert File.regular?(Path.join([priv, "native", name]))
    end

    for file <- Path.wildcard("python/erlang/**/*.{py,pyi,typed}") do
      copy = Path.join(priv, file)
      assert File.read(copy) == File.read(file)
    end
  end
end
