defmodule Py.EventLoopTest do
  use Py.Case, async: true

  import ExUnit.CaptureIO

  alias Py.Case.Records
  alias Py.{Context, ContextError, Error, EventLoop}

  doctest Py.EventLoop

  @source """
  import asyncio, erlang
  releases = {}

  async def quick(value):
      return value

  async def held(name, pid):
      # Tells a process that it waits, and waits until it is released.
      gate = releases[name] = asyncio.Event()
      erlang.send(pid, (erlang.atom('waiting'), name))
      try:
          await gate.wait()
          return name
      except asyncio.CancelledError:
          await asyncio.sleep(0)
          erlang.send(pid, (erlang.atom('cancelled'), name))
          raise

  def release(name):
      releases[name].set()

  async def fail():
      await asyncio.sleep(0)
      raise ValueError('no')

  def plain(value):
      return value

  class Path(str):
      async def joined(self, other):
          await asyncio.sleep(0)
          return f'{self}/{other}'

  async def call_back(name, value):
      await asyncio.sleep(0)
      return erlang.call(name, value)
  """

  setup do
    context = start_context()
    :ok = Context.exec(context, @source)
    %{context: context}
  end

  defp start(context, name),
    do: EventLoop.create_task(context, :__main__, :held, [name, self()])

  defp release(context, name), do: {:ok, nil} = Context.call(context, :__main__, :release, [name])

  defp messages, do: Process.info(self(), :messages)

  describe "a coroutine" do
    test "is awaited, whatever gives it", %{context: context} do
      assert Context.call(context, :__main__, :quick, [1]) == {:ok, 1}
      assert Context.eval(context, "quick(2)") == {:ok, 2}
      function = Py.eval!("quick", %{}, context: context, return: :object)
      assert Py.Object.call(function, [3]) == {:ok, 3}
      path = Py.eval!("Path('a')", %{}, context: context, return: :object)
      assert Py.Object.call_method(path, :joined, ["b"]) == {:ok, "a/b"}
      assert Py.await(Py.spawn_call(:__main__, :quick, [4], context: context)) == {:ok, 4}
      assert Py.await(Py.async_call(:__main__, :quick, [5], context: context)) == {:ok, 5}
      calls = for n <- 1..20, do: {:__main__, :quick, [n]}
      assert Py.async_gather(calls, context: context) == for(n <- 1..20, do: {:ok, n})
    end

    test "stays what it is where it was before", %{context: context} do
      :ok = Context.exec(context, "class Box: pass\nbox = Box()\nbox.inside = quick(1)")
      box = Py.eval!("box", %{}, context: context, return: :object)
      inside = Py.Object.getattr!(box, :inside, return: :object)
      assert inside.type == "coroutine"
      assert Py.Object.call_method(inside, :close) == {:ok, nil}
    end

    test "raises as other code does", %{context: context} do
      assert {:error, %Error{type: "ValueError"} = error} =
               Context.call(context, :__main__, :fail, [])

      assert Enum.map(error.frames, & &1.function) == ["fail"]
      :ok = Context.exec(context, "async def leave(): raise SystemExit(3)")
      assert {:error, %Error{type: "SystemExit"}} = Context.call(context, :__main__, :leave, [])
      assert Context.call(context, :__main__, :quick, [1]) == {:ok, 1}
    end

    test "has its output written for its own caller", %{context: context} do
      :ok =
        Context.exec(context, """
        async def speak(name):
            print(name, end=' ')
            await asyncio.sleep(0)
            print('again')
        """)

      spoken =
        for name <- ["one", "two"] do
          Task.async(fn ->
            capture_io(fn -> {:ok, nil} = Context.call(context, :__main__, :speak, [name]) end)
          end)
        end

      assert [one, two] = Task.await_many(spoken)
      assert String.replace(one, "\n", "") =~ ~r/^one ?again$/
      assert String.replace(two, "\n", "") =~ ~r/^two ?again$/
    end

    test "calls back into the process that asked for it", %{context: context} do
      own = self()
      :ok = Py.register_function(:loop_whoami, fn [value] -> {value, self() == own} end)
      on_exit(fn -> Py.unregister_function(:loop_whoami) end)
      args = ["loop_whoami", 7]
      assert Context.call(context, :__main__, :call_back, args) == {:ok, {7, true}}
      task = EventLoop.create_task(context, :__main__, :call_back, args)
      assert EventLoop.await(task) == {:ok, {7, false}}
    end

    test "may be called in the middle of a callback that a coroutine waits for", %{
      context: context
    } do
      again = fn value -> Context.call(context, :__main__, :quick, [value * 2]) |> elem(1) end
      :ok = Context.exec(context, "async def around(f):\n  await asyncio.sleep(0)\n  return f(4)")
      assert Context.call(context, :__main__, :around, [again]) == {:ok, 8}
    end

    test "may leave the rest of the work to a function", %{context: context} do
      :ok = Context.exec(context, "async def later(f): return erlang.schedule(f, 1)")
      assert Context.call(context, :__main__, :later, [&(&1 + 1)]) == {:ok, 2}
      ref = EventLoop.create_task(context, :__main__, :later, [&(&1 + 2)])
      assert EventLoop.await(ref) == {:ok, 3}
      :ok = Context.exec(context, "async def go_on(): return erlang.schedule(plain, 5)")
      assert Context.call(context, :__main__, :go_on, []) == {:ok, 5}
    end

    test "leaves tasks behind that go on", %{context: context} do
      :ok =
        Context.exec(context, """
        async def leave(pid):
            async def rest():
                await asyncio.sleep(0.001)
                erlang.send(pid, 'rest')
            erlang.spawn_task(rest())
        """)

      assert Context.call(context, :__main__, :leave, [self()]) == {:ok, nil}
      assert_receive "rest", 20_000
    end
  end

  describe "tasks" do
    test "answer by messages", %{context: context} do
      ref = EventLoop.create_task(context, :__main__, :quick, [1])
      assert_receive {:async_result, ^ref, {:ok, 1}}, 20_000
      ref = EventLoop.create_task(context, :__main__, :fail, [])
      assert_receive {:async_result, ^ref, {:error, %Error{type: "ValueError"}}}, 20_000
      ref = EventLoop.create_task(context, :__main__, :plain, [2], kwargs: [])
      assert EventLoop.await(ref) == {:ok, 2}
      object = EventLoop.create_task(context, :__main__, :quick, [[1]], return: :object)
      assert {:ok, %Py.Object{type: "list"}} = EventLoop.await(object)
      assert messages() == {:messages, []}
    end

    test "wait beside one another while ordinary calls are served", %{context: context} do
      refs = for n <- 1..100, do: {n, start(context, n)}
      for n <- 1..100, do: assert_receive({:waiting, ^n}, 20_000)
      assert Context.eval(context, "len(releases)") == {:ok, 100}

      for {n, ref} <- Enum.reverse(refs) do
        release(context, n)
        assert_receive {:async_result, ^ref, {:ok, ^n}}, 20_000
      end
    end

    test "encode structs like call", %{context: context} do
      money = %Py.Case.Money{amount: 3, currency: :eur}
      ref = EventLoop.create_task(context, :builtins, :list, [money])
      assert EventLoop.await(ref) == {:ok, [3, "eur"]}
      :ok = Py.exec("def same(value): return value")

      assert EventLoop.await(EventLoop.create_task(:__main__, :same, [money])) ==
               {:ok, {3, "eur"}}
    end

    test "are cancelled, and clear up", %{context: context} do
      one = start(context, "one")
      two = start(context, "two")
      assert_receive {:waiting, "one"}, 20_000
      assert_receive {:waiting, "two"}, 20_000
      assert EventLoop.cancel(one) == :ok
      assert_receive {:cancelled, "one"}, 20_000
      release(context, "two")
      assert EventLoop.await(two) == {:ok, "two"}
      assert EventLoop.cancel(two) == :ok
      refute_received {:async_result, _ref, _result}
    end

    test "are cancelled when the time to wait is over", %{context: context} do
      ref = start(context, "late")
      assert_receive {:waiting, "late"}, 20_000
      assert EventLoop.await(ref, 10) == {:error, %ContextError{reason: :timeout}}
      assert_receive {:cancelled, "late"}, 20_000
    end

    test "are cancelled after a time of their own", %{context: context} do
      args = ["own", self()]
      ref = EventLoop.create_task(context, :__main__, :held, args, timeout: 10)
      assert_receive {:async_result, ^ref, {:error, %ContextError{reason: :timeout}}}, 20_000
      assert_received {:cancelled, "own"}
    end

    test "are cancelled when the process that created them dies", %{context: context} do
      own = self()

      owner =
        spawn(fn ->
          EventLoop.create_task(context, :__main__, :held, ["orphan", own])
          receive do: (:never -> :ok)
        end)

      assert_receive {:waiting, "orphan"}, 20_000
      kill(owner)
      assert_receive {:cancelled, "orphan"}, 20_000
    end

    test "go on though nobody holds the reference", %{context: context} do
      own = self()
      _unused = EventLoop.create_task(context, :__main__, :held, ["unused", own])
      :erlang.garbage_collect()
      assert_receive {:waiting, "unused"}, 20_000
      release(context, "unused")
      assert_receive {:async_result, _ref, {:ok, "unused"}}, 20_000
    end

    test "are told when their context ends", %{context: context} do
      ref = start(context, "open")
      assert_receive {:waiting, "open"}, 20_000
      # It says so a moment before. Whoever is served after that step finds it waiting.
      assert Context.eval(context, "1") == {:ok, 1}
      assert Context.stop(context) == :ok
      assert_receive {:cancelled, "open"}, 20_000
      assert EventLoop.await(ref) == {:error, %ContextError{reason: :closed}}
      ref = EventLoop.create_task(context, :__main__, :quick, [1])
      assert_receive {:async_result, ^ref, {:error, %ContextError{reason: :closed}}}
    end

    test "are all cancelled by an interrupt of their context", %{context: context} do
      refs = for n <- 1..3, do: start(context, n)
      for n <- 1..3, do: assert_receive({:waiting, ^n}, 20_000)
      assert Context.eval(context, "1") == {:ok, 1}
      assert Context.interrupt(context) == :ok
      interrupted = {:error, %ContextError{reason: :interrupted}}
      assert for(ref <- refs, do: EventLoop.await(ref)) == List.duplicate(interrupted, 3)
      assert Context.call(context, :__main__, :quick, [1]) == {:ok, 1}
    end

    test "have 10,000 places in a context", %{context: context} do
      refs = for n <- 1..10_000, do: start(context, n)
      for n <- 1..10_000, do: assert_receive({:waiting, ^n}, 20_000)
      one_more = start(context, "one more")
      assert_receive {:async_result, ^one_more, {:error, %ContextError{reason: :busy}}}, 20_000
      Enum.each(refs, &EventLoop.cancel/1)
      for n <- 1..10_000, do: assert_receive({:cancelled, ^n}, 20_000)
      assert eventually(fn -> Context.call(context, :__main__, :quick, [1]) == {:ok, 1} end)
    end

    @tag :capture_log
    test "that nobody waits for tell of their failure", %{context: context} do
      Records.start()
      assert EventLoop.spawn_task(context, :__main__, :fail, []) == :ok
      assert Records.logged!(:error, "Py.cast of __main__.fail failed")
    end
  end

  describe "a loop of the user's own" do
    test "takes the coroutines that come meanwhile, and ends after them", %{context: context} do
      :ok =
        Context.exec(context, """
        async def serve(pid):
            async def own(name):
                await held(name, pid)
                return asyncio.get_running_loop() is loop
            global join
            loop, join = asyncio.get_running_loop(), own
            await held('server', pid)
            return type(loop).__name__
        """)

      own = self()
      task = Task.async(fn -> Context.eval(context, "erlang.run(serve(own))", %{own: own}) end)
      assert_receive {:waiting, "server"}, 20_000
      ref = EventLoop.create_task(context, :__main__, :join, ["guest"])
      assert_receive {:waiting, "guest"}, 20_000
      release(context, "server")
      release(context, "guest")
      assert EventLoop.await(ref) == {:ok, true}
      assert Task.await(task) == {:ok, "ErlangEventLoop"}
      assert Context.call(context, :__main__, :quick, [1]) == {:ok, 1}
    end
  end

  test "tasks for another node are refused with what to do instead" do
    remote = :erlang.binary_to_term(<<131, 88, 100, 0, 5, "a@b.c", 0, 0, 0, 9, 0::32, 1::32>>)
    ref = EventLoop.create_task(remote, :math, :sqrt, [4])
    assert_receive {:async_result, ^ref, {:error, %ContextError{} = error}}
    assert Exception.message(error) =~ "spawn_call"
  end
end
