defmodule Py.ContextTest do
  use Py.Case, async: true

  alias Py.Context.Remote
  alias Py.{Context, ContextError, Native}

  test "contexts do not see each other's names" do
    [one, two] = [start_context(), start_context()]
    :ok = Context.exec(one, "x = 1")
    assert Context.eval(one, "x") == {:ok, 1}
    assert {:error, %Py.Error{type: "NameError"}} = Context.eval(two, "x")
  end

  requires_interpreters()

  test "modules are imported for each context" do
    [one, two] = [start_context(), start_context()]
    :ok = Context.exec(one, "import sys, colorsys\ncolorsys.mark = 1")
    assert Context.eval(one, "'colorsys' in sys.modules") == {:ok, true}
    assert Context.eval(two, "import sys\n'colorsys' in sys.modules") == {:ok, false}
    assert {:ok, %{interp_id: first}} = Context.info(one)
    assert {:ok, %{interp_id: second}} = Context.info(two)
    assert first != second
  end

  test "all users of a context share its namespace" do
    context = start_context()
    assert Task.await(Task.async(fn -> Context.exec(context, "x = 1") end)) == :ok
    assert Task.await(Task.async(fn -> Context.eval(context, "x") end)) == {:ok, 1}
  end

  test "its verbs are those of Py" do
    context = start_context()
    assert Context.call(context, :math, :sqrt, [16]) == {:ok, 4.0}
    assert Context.call(context, :os, :getcwd) == {:ok, File.cwd!()}

    assert Context.call(context, :builtins, :sorted, [[1, 2]], kwargs: [reverse: true]) ==
             {:ok, [2, 1]}

    assert Context.call(context, :builtins, :sorted, [[1, 2]], [reverse: true], timeout: 5_000) ==
             {:ok, [2, 1]}

    assert Context.eval(context, "a + b", %{a: 1, b: 2}) == {:ok, 3}
    assert {:ok, %Py.Object{type: "int"} = one} = Context.eval(context, "1", %{}, return: :object)
    assert Context.call_method(context, one, :bit_length, []) == {:ok, 1}
    assert Context.exec(context, "y = 2") == :ok
    assert Py.eval("y", %{}, context: context) == {:ok, 2}
  end

  test "it answers to a registered name" do
    start_context(name: __MODULE__.Named)
    assert Py.exec("x = 5", context: __MODULE__.Named) == :ok
    assert Context.eval(__MODULE__.Named, "x") == {:ok, 5}

    assert Py.eval("x", %{}, context: {:global, :nobody}) ==
             {:error, %ContextError{reason: :not_found}}
  end

  test "it can stand under any supervisor" do
    children = [{Context, name: __MODULE__.Child}, {Context, id: :other}]
    {:ok, supervisor} = Supervisor.start_link(children, strategy: :one_for_one)
    :ok = Context.exec(__MODULE__.Child, "x = 1")

    first = Process.whereis(__MODULE__.Child)
    kill(first)
    # The name is there before the interpreter is.
    assert eventually(fn -> match?({:ok, _info}, Context.info(__MODULE__.Child)) end)
    assert Process.whereis(__MODULE__.Child) != first
    assert {:error, %Py.Error{type: "NameError"}} = Context.eval(__MODULE__.Child, "x")
    Supervisor.stop(supervisor)
  end

  test "requests run one after the other, in order" do
    context = start_context()
    :ok = Context.exec(context, "seen = []")
    for n <- 1..200, do: {:ok, nil} = Context.eval(context, "seen.append(n)", n: n)
    assert Context.eval(context, "seen == list(range(1, 201))") == {:ok, true}
  end

  test "info tells what it is and does" do
    context = start_context()
    assert {:ok, %{mode: mode, execution_mode: execution_mode} = info} = Context.info(context)
    assert %{queue: 0, objects: 0, served: 0} = info
    assert mode in Py.Mode.names()
    assert execution_mode == Py.execution_mode()
    {:ok, 1} = Context.eval(context, "1")
    # Counted after the answer has left.
    assert eventually(fn -> match?({:ok, %{served: 1, running: false}}, Context.info(context)) end)

    held = occupy(context)
    assert {:ok, %{running: true}} = Context.info(context)
    release(held)
    assert {:error, %ContextError{reason: :not_found}} = Context.info(:nobody)
    assert {:error, %ContextError{reason: :closed}} = Context.info(self())
  end

  describe "a full queue" do
    test "answers :busy and keeps what it took" do
      context = start_context(max_queue: 2)
      held = occupy(context)

      # With the tickets, as what nobody holds a ticket for is stopped.
      accepted =
        for n <- 1..2 do
          tag = make_ref()
          op = {:eval, "n * 10", %{n: n}}

          assert {:wait, ticket} = Native.request_submit(context, op, :context, :term, :call)
          assert Native.request_expect(ticket, tag) == :wait
          {n, tag, ticket}
        end

      assert Context.eval(context, "3") == {:error, %ContextError{reason: :busy}}
      release(held)

      for {n, tag, _ticket} <- accepted,
          do: assert_receive({^tag, {:ok, ten}} when ten == n * 10, 5_000)

      assert Context.eval(context, "3") == {:ok, 3}
    end
  end

  describe "an interrupt" do
    test "stops what runs, whose caller hears of it, and lets the next have its turn" do
      context = start_context()
      endless = Py.spawn_call(:builtins, :exec, ["while True: pass", %{}], context: context)
      waiting = Py.spawn_call(:math, :sqrt, [16], context: context)
      assert eventually(fn -> match?({:ok, %{running: true}}, Context.info(context)) end)
      assert Context.interrupt(context) == :ok
      assert Py.await(endless) == {:error, %ContextError{reason: :interrupted}}
      assert Py.await(waiting) == {:ok, 4.0}
    end

    test "of an idle context, a closed one or none is told apart" do
      context = start_context()
      assert Context.interrupt(context) == :ok
      assert Context.eval(context, "1") == {:ok, 1}
      assert Context.interrupt(:nobody) == {:error, %ContextError{reason: :not_found}}
      :ok = Context.stop(context)
      assert Context.interrupt(context) == {:error, %ContextError{reason: :closed}}
    end

    for %{name: mode, supported: true} <- Py.Mode.all(),
        {name, code} <- [
          {"a loop", "while True: pass"},
          {"code that swallows it now and then",
           "for _ in range(3):\n    try:\n        while True: pass\n" <>
             "    except BaseException: pass\nwhile True: pass"},
          {"erlang.sleep", "import erlang\nerlang.sleep(60)"},
          {"a callback's wait", "fun()"}
        ] do
      test "#{mode}: a timeout stops #{name}, and the next request runs" do
        context = start_context(mode: unquote(mode))
        parent = self()

        # The function of the last one ends by itself, when its time has long been over.
        fun = fn -> receive(do: (:never -> send(parent, :never)), after: (60 -> nil)) end
        vars = %{fun: fun}

        assert Context.eval(context, unquote(code), vars, timeout: 30) ==
                 {:error, %ContextError{reason: :timeout}}

        assert Context.eval(context, "1", %{}, timeout: 10_000) == {:ok, 1}
        assert Process.info(self(), :messages) == {:messages, []}
      end
    end

    test "never hits the request after the one it was meant for" do
      context = start_context()

      for _ <- 1..200 do
        Context.eval(context, "sum(range(2000))", %{}, timeout: 0)
        assert Context.eval(context, "sum(range(2000))") == {:ok, 1_999_000}
      end
    end

    @tag :capture_log
    test "of what cannot be stopped costs the context, and its supervisor opens another" do
      children = [{Context, name: __MODULE__.Stuck, grace: 20}]
      {:ok, supervisor} = Supervisor.start_link(children, strategy: :one_for_one)
      first = Process.whereis(__MODULE__.Stuck)
      monitor = Process.monitor(first)

      # Those of other tests may come to their end at any time.
      held = stick(__MODULE__.Stuck, monitor)
      assert Py.info().abandoned_threads >= 1
      assert eventually(fn -> Context.eval(__MODULE__.Stuck, "1") == {:ok, 1} end)

      assert {:error, %ContextError{reason: reason}} = release(held)
      assert reason in [:interrupted, :closed]
      assert eventually(fn -> Py.info().abandoned_threads == 0 end)
      Supervisor.stop(supervisor)
    end

    test "waits for ever when told to" do
      context = start_context(grace: :infinity)
      held = occupy(context)
      {:ok, %{request: request}} = Context.info(context)
      send(context, {:interrupting, request})
      assert {:ok, %{running: true, request: ^request}} = GenServer.call(context, :info)
      assert {:ok, ""} = release(held)
    end
  end

  # Has a call into C interrupted, and the process of its context end for that. An interrupt that
  # lands before the call has begun is like any other: then again.
  defp stick(context, monitor) do
    {port, task} = held = occupy(context)
    assert Context.interrupt(context) == :ok
    reference = task.ref

    receive do
      {:DOWN, ^monitor, :process, _pid, :stuck} ->
        held

      {^reference, {:error, %ContextError{reason: :interrupted}}} ->
        Process.demonitor(reference, [:flush])
        Port.close(port)
        stick(context, monitor)
    after
      10_000 -> flunk("the context goes on")
    end
  end

  describe "the end of a context" do
    test "later requests are answered :closed" do
      context = start_context()
      assert Context.stop(context) == :ok
      assert Context.eval(context, "1") == {:error, %ContextError{reason: :closed}}
      assert Context.stop(context) == :ok
    end

    test "it ends with its process, however that ends" do
      context = start_context()
      kill(context)
      assert {:error, %ContextError{reason: :closed}} = Context.eval(context, "1")
    end

    test "requests still waiting are answered :closed" do
      context = start_context()
      held = occupy(context)
      tag = make_ref()

      op = {:eval, "1", %{}}
      assert {:wait, ticket} = Native.request_submit(context, op, :context, :term, :call)
      assert Native.request_expect(ticket, tag) == :wait
      stopping = Task.async(fn -> Context.stop(context) end)
      assert_receive {^tag, {:error, {:context, :closed}}}, 10_000
      assert Native.request_cancel(ticket) == :replied
      release(held)
      assert Task.await(stopping, 20_000) == :ok
    end

    test "closing under load answers everyone" do
      context = start_context()

      callers =
        for n <- 1..50 do
          Task.async(fn ->
            for i <- 1..40, do: Context.eval(context, "sum(range(n))", n: n * i)
          end)
        end

      {:ok, 0} = Context.eval(context, "0")
      :ok = Context.stop(context)

      for answers <- Task.await_many(callers, 60_000), answer <- answers do
        assert match?({:ok, _}, answer) or answer == {:error, %ContextError{reason: :closed}}
      end
    end

    test "killing it under load answers everyone" do
      context = start_context()

      callers =
        for _ <- 1..20,
            do: Task.async(fn -> for _ <- 1..50, do: Context.eval(context, "sum(range(500))") end)

      {:ok, 0} = Context.eval(context, "0")
      kill(context)

      for answers <- Task.await_many(callers, 60_000), answer <- answers do
        assert match?({:ok, _}, answer) or answer == {:error, %ContextError{reason: :closed}}
      end
    end

    test "it ends with the process it is linked to" do
      parent = self()

      starter =
        spawn(fn ->
          {:ok, context} = Context.start_link()
          send(parent, {:context, context})
          receive do: (:never -> :ok)
        end)

      assert_receive {:context, context}, 20_000
      monitor = Process.monitor(context)
      kill(starter)
      assert_receive {:DOWN, ^monitor, :process, ^context, :killed}, 10_000
    end

    test "one made by new lives until it is stopped" do
      context = Task.await(Task.async(fn -> elem({:ok, _} = Context.new(), 1) end))
      assert Context.eval(context, "1") == {:ok, 1}
      assert Context.stop(context) == :ok
      refute Process.alive?(context)
    end
  end

  test "64 contexts are open at once, and work" do
    contexts = for _ <- 1..64, do: start_context()

    contexts
    |> Enum.map(fn context ->
      Task.async(fn -> Context.eval(context, "sum(range(10_000))") end)
    end)
    |> Task.await_many(60_000)
    |> Enum.each(&assert &1 == {:ok, 49_995_000})
  end

  test "its process answers for requests from another node" do
    # What a remote caller sends, without the other node: the process must not be in the way.
    context = start_context()
    held = occupy(context)
    op = {:eval, "a + 1", %{a: 1}}
    asking = Task.async(fn -> Remote.run(context, op, :term, 20_000) end)
    assert {:ok, %{running: true}} = GenServer.call(context, :info)
    release(held)
    assert Task.await(asking) == {:ok, 2}
    assert Remote.ask(context, :interrupt) == :ok
    :ok = Context.stop(context)
    assert {:error, %ContextError{}} = Remote.run(context, op, :term, 1_000)
  end

  test "it stops what a process on another node asked for when that one dies" do
    context = start_context()
    op = {:eval, "while True: pass", %{}}
    {asking, monitor} = spawn_monitor(fn -> Remote.run(context, op, :term, :infinity) end)
    assert eventually(fn -> match?({:ok, %{running: true}}, Context.info(context)) end)
    Process.exit(asking, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^asking, :killed}
    assert Context.eval(context, "1", %{}, timeout: 10_000) == {:ok, 1}
  end

  test "spawned and cast requests from another node find their way" do
    context = start_context()
    tag = make_ref()

    assert {:spawned, _waiter} =
             Remote.run(context, {:eval, "1 + 1", %{}}, :term, {:spawn, tag, 5_000})

    assert_receive {^tag, {:done, {:ok, 2}}}, 5_000
    assert Remote.run(context, {:exec, "x = 5"}, :term, {:cast, false}) == :ok
    assert eventually(fn -> Context.eval(context, "x") == {:ok, 5} end)

    endless = {:eval, "while True: pass", %{}}
    {:spawned, waiter} = Remote.run(context, endless, :term, {:spawn, tag, 5_000})
    assert eventually(fn -> match?({:ok, %{running: true}}, Context.info(context)) end)
    assert Remote.cancel(waiter) == :cancelled
    assert Context.eval(context, "1", %{}, timeout: 10_000) == {:ok, 1}
  end
end
