defmodule Py.Router.PoolTest do
  # Pools are found by their names, which all tests share.
  use Py.Case, async: false

  alias Py.{ContextError, Router, StartError}
  alias Py.Router.Pool

  setup do
    on_exit(fn ->
      for {name, _pool} <- Router.list_pool_registrations(), do: Router.unregister_pool(name)
      for pool <- [:io, :other, :worker], do: :ok = Router.stop_pool(pool)
    end)
  end

  describe "a pool" do
    test "is started, changed and stopped" do
      refute Router.pool_started?(:io)
      assert {:ok, [one, two] = both} = Router.start_pool(:io, 2, :worker)
      assert Router.pool_started?(:io)
      assert Router.contexts(:io) == both
      assert Router.num_contexts(:io) == 2
      assert {:ok, %{mode: :worker}} = Py.Context.info(one)
      assert {:ok, [^one]} = Router.start_pool(:io, 1)
      assert Py.eval("1", %{}, context: two) == {:error, %ContextError{reason: :closed}}
      assert {:ok, [^one, _new]} = Router.start_pool(:io, 2, mode: :worker)
      assert Router.stop_pool(:io) == :ok
      refute Router.pool_started?(:io)
      assert Router.contexts(:io) == []
      assert Router.num_contexts(:io) == 0
      assert Router.stop_pool(:io) == :ok
    end

    test "gets new contexts when it gets another mode or queue" do
      {:ok, [one]} = Router.start_pool(:io, 1, :worker)
      {:ok, [new]} = Router.start_pool(:io, 1, max_queue: 1)
      assert new != one
      assert {:ok, %{mode: :worker}} = Py.Context.info(new)
      assert Router.contexts(:io) == [new]
    end

    test "has contexts of its own, which calls name by the pool" do
      {:ok, contexts} = Router.start_pool(:io, 2)
      {:ok, _contexts} = Router.start_pool(:other, 1)
      served = fn -> Enum.map(Router.contexts(:io), &elem(Py.Context.info(&1), 1).served) end
      before = Enum.sum(served.())
      assert Py.call(:math, :sqrt, [16], pool: :io) == {:ok, 4.0}
      assert Py.call(:math, :sqrt, [16]) == {:ok, 4.0}
      assert Py.eval("1 + 1", %{}, pool: :io) == {:ok, 2}
      assert Py.eval("1 + 1", %{}, pool: :other) == {:ok, 2}
      assert Enum.sum(served.()) == before + 2
      assert Router.get_context(:io) in contexts
      refute Router.get_context(:other) in contexts
      assert Py.exec("x = 1", pool: :io, context: 2) == :ok
      assert Py.eval("x", %{}, context: Enum.at(contexts, 1)) == {:ok, 1}
      nowhere = {:error, %ContextError{reason: :not_found}}
      assert Py.eval("1", %{}, pool: :io, context: 3) == nowhere
    end

    test "has private namespaces and bindings of its own" do
      {:ok, [one, _two]} = Router.start_pool(:io, 2)
      assert Py.exec("x = 'default'") == :ok
      assert Py.exec("x = 'io'", pool: :io) == :ok
      assert Py.eval("x", %{}, pool: :io) == {:ok, "io"}
      assert Py.eval("x") == {:ok, "default"}
      assert Py.exec("def which(): return x", pool: :io) == :ok
      assert Py.call(:__main__, :which, [], pool: :io) == {:ok, "io"}

      assert Router.bind_context(:io, 1) == :ok
      assert Router.get_context(:io) == one
      assert Py.exec("y = 1", pool: :io) == :ok
      assert Py.eval("y", %{}, context: one) == {:ok, 1}
      assert Py.eval("x") == {:ok, "default"}
      assert Router.unbind_context(:io) == :ok
      assert Py.eval("x", %{}, pool: :io) == {:ok, "io"}
    end

    test "survives its contexts and its keeper" do
      {:ok, contexts} = Router.start_pool(:io, 3)
      kill(GenServer.whereis(Pool.keeper(:io)))
      assert Router.start_pool(:io, 3) == {:ok, contexts}
      Enum.each(contexts, &kill/1)
      for _ <- 1..5, do: assert(Py.eval("1 + 1", %{}, pool: :io) == {:ok, 2})
      kill(GenServer.whereis(Pool.contexts(:io)))
      assert eventually(fn -> match?({:ok, [_, _, _]}, Router.start_pool(:io, 3)) end)
      assert Py.eval("1 + 1", %{}, pool: :io) == {:ok, 2}
      assert Py.eval("1 + 1") == {:ok, 2}
    end

    test "that is stopped with work in flight answers everyone" do
      {:ok, [one, two]} = Router.start_pool(:io, 2, :worker)
      endless = "while True: pass"
      running = for one <- [one, two], do: Task.async(fn -> Py.exec(endless, context: one) end)
      assert eventually(fn -> Enum.all?([one, two], &runs?/1) end)
      waiting = Task.async(fn -> Py.eval("1", %{}, pool: :io) end)
      assert eventually(fn -> Enum.any?([one, two], &waits?/1) end)
      stopping = Task.async(fn -> Router.stop_pool(:io) end)

      for task <- [waiting | running],
          do: assert(Task.await(task, 20_000) == {:error, %ContextError{reason: :closed}})

      assert Task.await(stopping, 20_000) == :ok
    end

    test "of the kind that this Python lacks is refused" do
      assert {:error, %StartError{reason: :unsupported_mode}} = Router.start_pool(:io, 1, :warp)
      refute Router.pool_started?(:io)
      assert_raise ArgumentError, fn -> Router.start_pool(:io, 0) end
      assert_raise ArgumentError, fn -> Router.start_pool(:io, 1, sise: 1) end
    end

    test "that does not exist is not found, and the error has those that do" do
      {:ok, _contexts} = Router.start_pool(:other, 1)

      for result <- [
            Py.call(:math, :sqrt, [16], pool: :io),
            Py.eval("1", %{}, pool: :io),
            Py.exec("1", pool: :io),
            Py.eval("1", %{}, pool: :io, context: 1),
            Router.bind_context(:io, 1),
            Router.register_pool(:io, :math)
          ] do
        assert {:error, %ContextError{reason: :not_found} = error} = result
        assert Exception.message(error) =~ "no pool :io, only :default, :other, :worker"
      end

      assert_raise ContextError, ~r/no pool :io/, fn -> Router.get_context(:io) end
    end
  end

  defp runs?(context), do: match?({:ok, %{running: true}}, Py.Context.info(context))

  defp waits?(context),
    do: match?({:ok, %{queue: queue}} when queue > 0, Py.Context.info(context))

  describe "the pool :worker" do
    test "is always there, and opens its contexts when they are wanted" do
      :ok = Router.stop_pool(:worker)
      assert Router.pool_started?(:worker)
      assert Router.num_contexts(:worker) == System.schedulers_online()
      assert Router.contexts(:worker) == []
      assert Py.eval("1 + 1", %{}, pool: :worker) == {:ok, 2}
      assert [context] = Router.contexts(:worker)
      assert {:ok, %{mode: :worker}} = Py.Context.info(context)
    end

    test "takes another size but no other mode" do
      assert {:ok, [_, _, _]} = Router.start_pool(:worker, 3)
      other = Enum.find(Py.Mode.all(), &(&1.supported and &1.name != :worker)).name

      assert {:error, %StartError{reason: :unsupported_mode} = error} =
               Router.start_pool(:worker, 3, other)

      assert Exception.message(error) =~ "main interpreter"
    end
  end

  describe "registrations" do
    setup do
      {:ok, _contexts} = Router.start_pool(:io, 1)
      {:ok, _contexts} = Router.start_pool(:other, 1)
      :ok
    end

    test "lead calls of a module, and of those below it, to its pool" do
      :ok = Router.register_pool(:io, :xml)
      :ok = Router.register_pool(:other, "xml.sax")
      :ok = Router.register_pool(:default, {:"xml.sax", :parse})
      assert Router.lookup_pool("xml", :f) == :io
      assert Router.lookup_pool("xml.etree.ElementTree", :f) == :io
      assert Router.lookup_pool("xml.sax", :f) == :other
      assert Router.lookup_pool(:"xml.sax.handler", :f) == :other
      assert Router.lookup_pool("xml.sax", "parse") == :default
      assert Router.lookup_pool("xmlrpc", :f) == :default
      assert Router.lookup_pool(:math, :sqrt) == :default

      assert Router.list_pool_registrations() ==
               [{{"xml.sax", "parse"}, :default}, {"xml", :io}, {"xml.sax", :other}]

      :ok = Router.unregister_pool("xml.sax")
      assert Router.lookup_pool("xml.sax", :f) == :io
    end

    test "decide where a call runs, unless the call or its process does" do
      before = served(:io)
      :ok = Router.register_pool(:io, {:math, :sqrt})
      assert Py.call(:math, :sqrt, [16]) == {:ok, 4.0}
      assert Py.call(:math, :factorial, [3]) == {:ok, 6}
      assert Py.call(:math, :sqrt, [16], pool: :other) == {:ok, 4.0}
      assert Py.call(:math, :sqrt, [16], context: 1) == {:ok, 4.0}
      :ok = Router.bind_context(1)
      assert Py.call(:math, :sqrt, [16]) == {:ok, 4.0}
      :ok = Router.unbind_context()
      assert served(:io) == before + 1
      :ok = Router.unregister_pool({"math", "sqrt"})
      assert Py.call(:math, :sqrt, [16]) == {:ok, 4.0}
      assert served(:io) == before + 1
    end

    test "stay when their pool stops, and say so" do
      :ok = Router.register_pool(:io, :math)
      :ok = Router.stop_pool(:io)
      assert {:error, %ContextError{reason: :not_found} = error} = Py.call(:math, :sqrt, [16])
      assert Exception.message(error) =~ "no pool :io"
      {:ok, _contexts} = Router.start_pool(:io, 1)
      assert Py.call(:math, :sqrt, [16]) == {:ok, 4.0}
    end

    test "survive the process that keeps them" do
      :ok = Router.register_pool(:io, :math)
      kill(Process.whereis(Py.Router.Registrations))
      assert Router.lookup_pool(:math, :sqrt) == :io
      assert eventually(fn -> Process.whereis(Py.Router.Registrations) end)
      assert Router.lookup_pool(:math, :sqrt) == :io
    end
  end

  defp served(pool) do
    Enum.sum(for context <- Router.contexts(pool), do: elem(Py.Context.info(context), 1).served)
  end
end
