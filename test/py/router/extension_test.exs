defmodule Py.Router.ExtensionTest do
  # The pools, and what they remember, belong to everyone. Instead of an extension, a package in
  # Python refuses sub-interpreters here, in the words of CPython.
  use Py.Case, async: false

  import ExUnit.CaptureLog

  alias Py.{Error, Router}
  alias Py.Router.Extension

  @moduletag :tmp_dir

  @refusing """
  import erlang
  if erlang.execution_mode() == "subinterp":
      raise ImportError("module needy does not support loading in subinterpreters")

  def mode():
      return str(erlang.execution_mode())
  """

  # In its own words, as numpy does, and not before it is called.
  @wrapping """
  def mode():
      try:
          from needy import mode
      except ImportError as error:
          raise RuntimeError("wrapping does not work") from error
      return mode()
  """

  setup %{tmp_dir: folder} do
    File.mkdir_p!(Path.join(folder, "needy"))
    File.write!(Path.join(folder, "needy/__init__.py"), @refusing)
    File.write!(Path.join(folder, "needy/below.py"), "from needy import mode")
    File.write!(Path.join(folder, "wrapping.py"), @wrapping)

    on_exit(fn ->
      for {name, _pool} <- Router.list_pool_registrations(), do: Router.unregister_pool(name)
      remove = "import sys\nsys.path[:] = [p for p in sys.path if p != '#{folder}']\n"
      forget = "for m in ['needy', 'needy.below', 'wrapping']: sys.modules.pop(m, None)"
      for pool <- [:default, :worker], do: in_all(pool, remove <> forget)
      Router.stop()
      {:ok, _contexts} = Router.start(contexts: System.schedulers_online())
    end)

    :ok = Router.stop()
    {:ok, _contexts} = Router.start(contexts: 2)
    for pool <- [:default, :worker], do: in_all(pool, "import sys\nsys.path.append('#{folder}')")
    :ok
  end

  defp in_all(pool, code) do
    for place <- 1..Router.num_contexts(pool),
        do: :ok = Py.exec(code, context: place, pool: pool)
  end

  defp answer_and_log(fun), do: with_log(fn -> Task.await(Task.async(fun)) end)

  describe "a module that refuses sub-interpreters" do
    requires_interpreters()

    test "is called in the pool :worker, with one notice" do
      assert {{:ok, "worker"}, log} = answer_and_log(fn -> Py.call(:needy, :mode) end)
      assert log =~ "needy"
      assert log =~ "Py.Router.register_pool(:worker, \"needy\")"
      assert Router.list_pool_registrations() == [{"needy", :worker}]
      assert Router.lookup_pool(:needy, :mode) == :worker
      assert {{:ok, "worker"}, ""} = answer_and_log(fn -> Py.call("needy", "mode") end)
      assert {{:ok, "worker"}, ""} = answer_and_log(fn -> Py.call(:"needy.below", :mode) end)
    end

    requires_interpreters()

    test "makes one notice however many processes meet it at once" do
      {answers, log} =
        with_log(fn ->
          1..20
          |> Enum.map(fn _ -> Task.async(fn -> Py.call("needy.below", :mode) end) end)
          |> Task.await_many()
        end)

      assert answers == List.duplicate({:ok, "worker"}, 20)
      assert length(String.split(log, "[notice]")) == 2
      assert Router.list_pool_registrations() == [{"needy", :worker}]
    end

    requires_interpreters()

    test "may be imported by the function that is called, and hide its words in a chain" do
      assert {{:ok, "worker"}, log} = answer_and_log(fn -> Py.call(:wrapping, :mode) end)
      assert log =~ "wrapping"
      assert {{:ok, "worker"}, ""} = answer_and_log(fn -> Py.call(:wrapping, :mode) end)
    end

    requires_interpreters()

    test "says nothing about a function that runs what it is given" do
      code = "from needy import mode"
      assert Py.call(:builtins, :exec, [code, %{}]) == {:ok, nil}
      assert Py.call(:importlib, :import_module, ["needy"], return: :object) |> elem(0) == :ok
      refute List.keymember?(Router.list_pool_registrations(), "builtins", 0)
      refute List.keymember?(Router.list_pool_registrations(), "importlib", 0)
    end

    requires_interpreters()

    test "may be imported by eval, which knows the next time" do
      code = "import math, needy\nneedy.mode()"
      assert {{:ok, "worker"}, log} = answer_and_log(fn -> Py.eval(code) end)
      assert log =~ "needy"
      assert Router.list_pool_registrations() == [{"needy", :worker}]
      assert {{:ok, "worker"}, ""} = answer_and_log(fn -> Py.eval(code) end)
      {:ok, %{served: served}} = served(:default)
      assert Py.eval("from needy import mode\nmode()") == {:ok, "worker"}
      assert {:ok, %{served: ^served}} = served(:default)
      assert Py.eval("1 + 1") == {:ok, 2}
    end

    requires_interpreters()

    test "takes a process with it whose first exec imports it" do
      assert Py.exec("x = 1\nfrom needy import mode") == :ok
      assert Py.eval("mode(), x") == {:ok, {"worker", 1}}
      assert Py.call(:__main__, :mode) == {:ok, "worker"}
      assert Py.exec("import needy\nx += 1") == :ok
      assert Py.eval("x") == {:ok, 2}
    end

    requires_interpreters()

    test "is an error with a hint where there is a namespace already" do
      :ok = Py.exec("x = 1")

      assert {:error, %Error{type: "ImportError", notes: [hint]} = error} =
               Py.exec("import needy")

      assert hint =~ "first exec"
      assert Exception.message(error) =~ hint
      assert Py.eval("x") == {:ok, 1}
    end

    requires_interpreters()

    test "is an error with a hint on a context or pool that is named" do
      :ok = Router.bind_context(1)
      bound = Py.call(:needy, :mode)
      :ok = Router.unbind_context()
      {:ok, object} = Py.call(:collections, :deque)

      for result <- [
            bound,
            Py.call(:needy, :mode, [], context: 1),
            Py.eval("import needy", %{}, context: Router.get_context(2)),
            Py.eval("import needy", %{object: object}),
            Py.call(:needy, :mode, [object]),
            Py.call(:needy, :mode, [], pool: :default),
            Py.exec("import needy", pool: :default)
          ] do
        assert {:error, %Error{type: "ImportError", notes: [hint]} = error} = result
        assert hint =~ "mode: :worker"
        assert String.ends_with?(Exception.message(error), hint)
      end

      assert Router.list_pool_registrations() == []
    end

    requires_interpreters()

    test "stays where the user registered it" do
      :ok = Router.register_pool(:default, "needy.below")
      assert {:error, %Error{notes: [_hint]}} = Py.call("needy.below", :mode)
      assert Py.call(:needy, :mode) == {:ok, "worker"}
      assert {:error, %Error{notes: [_hint]}} = Py.call("needy.below", :mode)
    end
  end

  test "in the main interpreter nothing of this happens" do
    words = "module needy does not support loading in subinterpreters"
    {:ok, context} = {:ok, start_context(mode: :worker)}

    for place <- [[pool: :worker], [context: context]] do
      assert {:error, %Error{message: ^words, notes: []}} =
               Py.eval("raise ImportError('#{words}')", %{}, place)

      assert Py.call(:needy, :mode, [], pool: :worker) == {:ok, "worker"}
    end

    assert Router.list_pool_registrations() == []
  end

  test "an ordinary ImportError moves nothing" do
    assert {:error, %Error{notes: []}} = Py.call(:no_such_module, :f)
    assert {:error, %Error{notes: []}} = Py.eval("from math import nothing")
    assert Router.list_pool_registrations() == []
  end

  test "imports are found in code" do
    for {code, modules} <- [
          {"import numpy", ["numpy"]},
          {"import numpy as np, os.path; import json", ["numpy", "os.path", "json"]},
          {"x = 1\n  from numpy.linalg import norm, inv", ["numpy.linalg"]},
          {"if x: import numpy # import json", ["numpy"]},
          {"from . import x\nfrom .. import y", []},
          {"important = 'from here'\nimporting(x)", []}
        ] do
      assert {code, Extension.imports(code)} == {code, modules}
    end
  end

  defp served(pool) do
    infos = for context <- Router.contexts(pool), do: elem(Py.Context.info(context), 1).served
    {:ok, %{served: Enum.sum(infos)}}
  end
end
