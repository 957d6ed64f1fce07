defmodule Py.Modes.TasksTest do
  # Coroutines in every mode. What tasks can do in detail is in test/py/event_loop_test.exs.
  use Py.Case, async: false

  alias Py.{Context, ContextError, EventLoop}

  @source """
  import asyncio, erlang

  async def nap(value, seconds=0):
      await asyncio.sleep(seconds)
      return value

  async def go_round(times):
      for _ in range(times):
          await asyncio.sleep(0)
      return times

  async def wait(pid):
      try:
          erlang.send(pid, 'waiting')
          await asyncio.sleep(1000)
      finally:
          await asyncio.sleep(0)
          erlang.send(pid, 'cleared up')

  async def spin(pid):
      erlang.send(pid, 'spinning')
      while True:
          pass

  async def spin_on(pid, times):
      erlang.send(pid, 'spinning')
      for _ in range(times):
          try:
              while True:
                  pass
          except asyncio.CancelledError:
              pass

  def run(pid):
      erlang.run(wait(pid))
  """

  for %{name: mode, supported: true} <- Py.Mode.all() do
    describe "in mode #{mode}" do
      setup do
        context = start_context(mode: unquote(mode))
        :ok = Context.exec(context, @source)
        %{context: context}
      end

      test "coroutines are awaited, many at a time", %{context: context} do
        assert Context.call(context, :__main__, :nap, [1, 0.001]) == {:ok, 1}
        refs = for n <- 1..1000, do: EventLoop.create_task(context, :__main__, :nap, [n])
        assert Enum.map(refs, &EventLoop.await/1) == for(n <- 1..1000, do: {:ok, n})
      end

      test "several contexts run their loops at once", %{context: context} do
        other = start_context(mode: unquote(mode))
        :ok = Context.exec(other, @source)

        refs =
          for n <- 1..20,
              context <- [context, other],
              do: EventLoop.create_task(context, :__main__, :nap, [n, 0.001])

        assert Enum.map(refs, &EventLoop.await/1) == for(n <- 1..20, _ <- 1..2, do: {:ok, n})
      end

      test "a time-out cancels a coroutine, which clears up", %{context: context} do
        assert Context.call(context, :__main__, :wait, [self()], timeout: 20) ==
                 {:error, %ContextError{reason: :timeout}}

        assert_receive "cleared up", 20_000
        assert Context.call(context, :__main__, :nap, [1]) == {:ok, 1}
      end

      test "a time-out stops a coroutine that computes, and no other", %{context: context} do
        waiting = EventLoop.create_task(context, :__main__, :wait, [self()])
        assert_receive "waiting", 20_000

        for {function, args} <- [spin: [self()], spin_on: [self(), 3]] do
          assert Context.call(context, :__main__, function, args, timeout: 20) ==
                   {:error, %ContextError{reason: :timeout}}

          assert_receive "spinning"
          assert Context.call(context, :__main__, :nap, [1]) == {:ok, 1}
        end

        refute_received {:async_result, _ref, _result}
        assert EventLoop.cancel(waiting) == :ok
        assert_receive "cleared up", 20_000
      end

      test "an interrupted erlang.run clears up", %{context: context} do
        assert Context.call(context, :__main__, :run, [self()], timeout: 20) ==
                 {:error, %ContextError{reason: :timeout}}

        assert_receive "cleared up", 20_000
        assert_received "waiting"
        own = self()
        task = Task.async(fn -> Context.call(context, :__main__, :run, [own]) end)
        assert_receive "waiting", 20_000
        # It says so a moment before. Whoever is served after that step finds it waiting.
        assert Context.eval(context, "1") == {:ok, 1}
        assert Context.interrupt(context) == :ok
        assert Task.await(task) == {:error, %ContextError{reason: :interrupted}}
        assert_received "cleared up"
      end

      test "an interrupt of many coroutines leaves none without an answer", %{context: context} do
        interrupted = {:error, %ContextError{reason: :interrupted}}

        for _ <- 1..20 do
          tasks =
            for _ <- 1..50, do: EventLoop.create_task(context, :__main__, :go_round, [1_000])

          :ok = Context.interrupt(context)
          answers = for task <- tasks, do: EventLoop.await(task, 10_000)
          assert Enum.all?(answers, &(&1 in [{:ok, 1_000}, interrupted]))
        end
      end

      test "a context that closes has its coroutines clear up", %{context: context} do
        ref = EventLoop.create_task(context, :__main__, :wait, [self()])
        assert_receive "waiting", 20_000
        assert Context.eval(context, "1") == {:ok, 1}
        assert Context.stop(context) == :ok
        assert_receive "cleared up", 20_000
        assert EventLoop.await(ref) == {:error, %ContextError{reason: :closed}}
      end
    end
  end
end
