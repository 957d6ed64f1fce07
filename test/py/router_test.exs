defmodule Py.RouterTest do
  # The pool belongs to everyone, and some tests stop it.
  use Py.Case, async: false

  alias Py.{ContextError, Router}

  doctest Py.Router

  setup do
    {:ok, _contexts} = Router.start(contexts: 2)
    on_exit(fn -> {:ok, _contexts} = Router.start(contexts: System.schedulers_online()) end)
  end

  test "start opens every context and resizes a running pool" do
    assert {:ok, [one, two] = both} = Router.start()
    assert Router.contexts() == both
    assert {:ok, [^one, ^two, _three, _four]} = Router.start(contexts: 4)
    assert Router.num_contexts() == 4
    assert {:ok, [^one]} = Router.start(contexts: 1)
    assert Router.num_contexts() == 1
    assert Py.eval("1", %{}, context: two) == {:error, %ContextError{reason: :closed}}
    assert Py.eval("1 + 1") == {:ok, 2}
  end

  test "contexts are found by their place" do
    assert Router.get_context(1) == hd(Router.contexts())
    assert Py.eval("1", %{}, context: 2) == {:ok, 1}
    assert Py.eval("1", %{}, context: 3) == {:error, %ContextError{reason: :not_found}}
    assert_raise ContextError, fn -> Router.get_context(3) end
    assert Router.get_context() in Router.contexts()
  end

  test "without a pool there is nowhere to run" do
    :ok = Router.stop()
    refute Router.started?()
    assert Router.num_contexts() == 0
    assert Router.contexts() == []
    nowhere = {:error, %ContextError{reason: :not_found}}
    assert Py.call(:math, :sqrt, [4]) == nowhere
    assert Py.eval("1") == nowhere
    assert Py.exec("1") == nowhere
    assert Py.eval("1", %{}, context: 1) == nowhere
    assert_raise ContextError, ~r/start_contexts/, fn -> Router.get_context() end
    assert :ok = Router.stop()
    assert {:ok, [_ | _]} = Router.start()
    assert Py.call(:math, :sqrt, [4]) == {:ok, 2.0}
  end

  test "contexts of a new pool are opened when they are first wanted" do
    :ok = Application.put_env(:erlang_python, :num_contexts, 3)
    on_exit(fn -> Application.delete_env(:erlang_python, :num_contexts) end)
    # A pool that was started with a size keeps it when it is restarted, so it has to have none.
    :ok = Router.stop()
    {:ok, _contexts} = Router.start()
    :ok = Supervisor.terminate_child(Py.Router.Supervisor, :default)
    {:ok, _pool} = Supervisor.restart_child(Py.Router.Supervisor, :default)
    assert Router.num_contexts() == 3
    assert Router.contexts() == []
    assert Py.eval("1") == {:ok, 1}
    assert [_one] = Router.contexts()
    context = Router.get_context(3)
    assert List.last(Router.contexts()) == context
  end

  describe "a context that takes long to open" do
    setup do
      key = "opens #{System.unique_integer()}"
      code = "import erlang, time\nwhile not erlang.state_get('#{key}'): time.sleep(0.001)"
      Application.put_env(:erlang_python, :preload_code, code)
      on_exit(fn -> Application.delete_env(:erlang_python, :preload_code) end)
      start_supervised!({Router, name: :slow, size: 2})
      %{open: fn -> Py.State.store(key, true) end}
    end

    test "keeps nobody longer than they want to wait, and opens for others", %{open: open} do
      late = {:error, %ContextError{reason: :timeout}}
      opts = [pool: :slow, timeout: 50]
      assert Py.call(:math, :sqrt, [16], opts) == late
      assert Py.call(:math, :sqrt, [16], [context: 2] ++ opts) == late
      assert Py.call(:math, :sqrt, [16], [inline: true] ++ opts) == late
      assert Py.eval("1", %{}, opts) == late
      assert Py.exec("x = 1", opts) == late
      assert Py.await(Py.spawn_call(:math, :sqrt, [16], opts)) == late
      assert Py.map(1..1_000, :math, :sqrt, opts) == List.duplicate(late, 1_000)
      assert Py.async_gather(List.duplicate({:math, :sqrt, [16]}, 3), opts) == [late, late, late]
      task = Py.EventLoop.create_task(:math, :sqrt, [16], opts)
      assert Py.EventLoop.await(task) == late

      open.()
      assert Py.eval("1", %{}, pool: :slow) == {:ok, 1}
      assert Py.exec("x = 1", pool: :slow) == :ok
      assert Process.info(self(), :messages) == {:messages, []}
    end

    test "has casts wait for it", %{open: open} do
      parent = self()
      spawn_link(fn -> Py.cast(:erlang, :send, [parent, "cast"], pool: :slow) end)

      assert Py.eval("1", %{}, pool: :slow, timeout: 50) ==
               {:error, %ContextError{reason: :timeout}}

      open.()
      assert_receive "cast", 20_000
    end
  end

  test "contexts of a new pool are what the application says" do
    :ok = Application.put_env(:erlang_python, :max_queue, 1)
    :ok = Application.put_env(:erlang_python, :mode, :worker)

    on_exit(fn ->
      for key <- [:max_queue, :mode], do: Application.delete_env(:erlang_python, key)
      :ok = Router.stop()
      {:ok, _contexts} = Router.start()
    end)

    :ok = Router.stop()
    {:ok, [context]} = Router.start(contexts: 1)
    assert {:ok, %{mode: :worker}} = Py.Context.info(context)
    held = occupy(context)
    waiting = Task.async(fn -> Py.eval("1") end)
    assert eventually(fn -> match?({:ok, %{queue: 1}}, Py.Context.info(context)) end)
    assert Py.eval("2") == {:error, %ContextError{reason: :busy}}
    release(held)
    assert Task.await(waiting) == {:ok, 1}
  end

  test "the pool survives the process that keeps it" do
    {:ok, contexts} = Router.start(contexts: 5)
    kill(GenServer.whereis(Py.Router.Pool.keeper(:default)))
    assert Router.start() == {:ok, contexts}
    assert Py.eval("1") == {:ok, 1}
  end

  describe "a bound process" do
    test "uses its context, and the namespace everyone shares there" do
      context = Router.get_context(2)
      assert Router.bind_context(context) == :ok
      assert Router.get_context() == context
      assert Py.exec("bound = 1") == :ok
      assert Py.eval("bound") == {:ok, 1}
      assert Py.eval("bound", %{}, context: context) == {:ok, 1}
      assert {:error, _} = Task.await(Task.async(fn -> Py.eval("bound") end))
      assert Router.unbind_context() == :ok
      assert {:error, %Py.Error{type: "NameError"}} = Py.eval("bound")
    end

    test "may be bound by place or name" do
      assert Router.bind_context(1) == :ok
      assert Router.get_context() == Router.get_context(1)
      assert Router.bind_context(9) == {:error, %ContextError{reason: :not_found}}
      start_context(name: __MODULE__.Named)
      assert Router.bind_context(:default, __MODULE__.Named) == :ok
      assert Router.get_context() == Process.whereis(__MODULE__.Named)
      assert Router.unbind_context(:default) == :ok
    end

    test "is told when its context is gone" do
      context = start_context()
      :ok = Router.bind_context(context)
      kill(context)
      for _ <- 1..2, do: assert(Py.eval("1") == {:error, %ContextError{reason: :closed}})
      :ok = Router.unbind_context()
      assert Py.eval("1") == {:ok, 1}
    end
  end

  describe "when contexts are busy" do
    test "calls step aside to an idle one" do
      held = occupy_for_long(Router.get_context(1))

      1..20
      |> Enum.map(fn n -> Task.async(fn -> Py.eval("n", %{n: n}, timeout: 10_000) end) end)
      |> Task.await_many(20_000)
      |> Enum.with_index(1)
      |> Enum.each(fn {answer, n} -> assert answer == {:ok, n} end)

      for _ <- 1..50, do: assert(Py.call(:math, :sqrt, [16], timeout: 10_000) == {:ok, 4.0})
      release(held)
    end

    test "the first exec of a process picks an idle one" do
      held = occupy_for_long(Router.get_context(1))

      for _ <- 1..8 do
        assert Task.await(Task.async(fn -> Py.exec("x = 1", timeout: 10_000) end), 20_000) == :ok
      end

      release(held)
    end

    test "calls wait when all are" do
      held = Enum.map(Router.contexts(), &occupy/1)
      waiting = Task.async(fn -> Py.eval("1 + 1") end)
      assert Py.eval("1", %{}, timeout: 10) == {:error, %ContextError{reason: :timeout}}
      Enum.each(held, &release/1)
      assert Task.await(waiting) == {:ok, 2}
    end
  end

  # Long enough for the router to see that this is no short job about to end.
  defp occupy_for_long(context) do
    held = occupy(context)

    assert eventually(fn ->
             match?({:ok, %{busy: busy}} when busy > 20_000, Py.Context.info(context))
           end)

    held
  end

  describe "a context that crashes" do
    test "is replaced in its place" do
      [one, two] = Router.contexts()
      kill(one)

      assert eventually(fn ->
               match?([_new, ^two], Router.contexts()) and hd(Router.contexts()) != one
             end)

      assert Py.eval("1", %{}, context: 1) == {:ok, 1}
    end

    test "is not noticed by calls that name none" do
      for _ <- 1..5 do
        Enum.each(Router.contexts(), &kill/1)
        assert Py.eval("1 + 1") == {:ok, 2}
        assert Py.call(:math, :sqrt, [16]) == {:ok, 4.0}
        Enum.each(Router.contexts(), &kill/1)
        assert Task.await(Task.async(fn -> Py.exec("x = 1") end)) == :ok
      end
    end

    test "takes the private namespaces in it along, once" do
      :ok = Py.exec("x = 1")
      Enum.each(Router.contexts(), &kill/1)
      assert Py.eval("x") == {:error, %ContextError{reason: :closed}}
      assert {:error, %Py.Error{type: "NameError"}} = Py.eval("x")
      assert Py.exec("x = 2") == :ok
      assert Py.eval("x") == {:ok, 2}
    end
  end

  test "a call with an object goes to the object's context" do
    object = Py.call!(:collections, :deque, [[1, 2]], context: start_context())
    for _ <- 1..20, do: assert(Py.call(:builtins, :len, [object]) == {:ok, 2})
    assert Py.eval("len(queue)", %{queue: object}) == {:ok, 2}
    assert Py.eval("len(queue)", queue: object) == {:ok, 2}
  end
end
