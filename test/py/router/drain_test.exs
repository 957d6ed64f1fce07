defmodule Py.Router.DrainTest do
  # Pools are found by their names, which all tests share.
  use Py.Case, async: false

  alias Py.{Context, ContextError, Router}
  alias Py.Router.{Drain, Pool}

  setup do
    on_exit(fn -> :ok = Router.stop_pool(:io) end)
  end

  defp queued?(context, count),
    do: match?({:ok, %{queue: queue}} when queue >= count, Context.info(context))

  # What runs there, and a request that waits behind it.
  defp fill(context) do
    held = occupy(context)
    waiting = Task.async(fn -> Py.eval("'done'", %{}, context: context) end)
    assert eventually(fn -> queued?(context, 1) end)
    {held, waiting}
  end

  for %{name: mode, supported: true} <- Py.Mode.all() do
    describe "in a pool of #{mode}" do
      setup do
        {:ok, contexts} = Router.start_pool(:io, 3, mode: unquote(mode))
        %{contexts: contexts}
      end

      test "contexts that go finish first, and get nothing new", %{contexts: [one, two, three]} do
        {held, waiting} = fill(three)
        resizing = Task.async(fn -> Router.resize_pool(:io, 1) end)
        # The empty request of the drain.
        assert eventually(fn -> queued?(three, 2) end)
        assert Router.contexts(:io) == [one]
        for _ <- 1..20, do: assert(Py.eval("1", %{}, pool: :io) == {:ok, 1})
        assert Task.yield(resizing, 0) == nil
        assert release(held) == {:ok, ""}
        assert Task.await(waiting) == {:ok, "done"}
        assert Task.await(resizing, 20_000) == :ok
        closed = {:error, %ContextError{reason: :closed}}
        for gone <- [two, three], do: assert(Context.eval(gone, "1") == closed)
        assert Router.num_contexts(:io) == 1
      end

      test "what is not done in time is stopped", %{contexts: [one, _two, three]} do
        {{port, running}, waiting} = fill(three)
        assert Router.resize_pool(:io, 2, drain: 50) == :ok
        assert Task.await(waiting) == {:error, %ContextError{reason: :closed}}
        Port.close(port)
        assert {:error, %ContextError{reason: :closed}} = Task.await(running, 20_000)
        assert hd(Router.contexts(:io)) == one
      end

      test "a pool that stops finishes first", %{contexts: [one | _others]} do
        {held, waiting} = fill(one)
        stopping = Task.async(fn -> Router.stop_pool(:io, drain: :infinity) end)
        assert eventually(fn -> queued?(one, 2) end)
        refute Router.pool_started?(:io)
        assert {:error, %ContextError{reason: :not_found}} = Py.eval("1", %{}, pool: :io)
        assert release(held) == {:ok, ""}
        assert Task.await(waiting) == {:ok, "done"}
        assert Task.await(stopping, 20_000) == :ok
      end
    end
  end

  test "a pool that grows again takes its contexts back" do
    {:ok, [_one, two] = both} = Router.start_pool(:io, 2)
    {held, waiting} = fill(two)
    shrinking = Task.async(fn -> Router.resize_pool(:io, 1) end)
    assert eventually(fn -> queued?(two, 2) end)
    assert Router.resize_pool(:io, 2) == :ok
    assert release(held) == {:ok, ""}
    assert Task.await(waiting) == {:ok, "done"}
    assert Task.await(shrinking) == :ok
    assert Router.start_pool(:io, 2) == {:ok, both}
  end

  test "contexts go though nobody waits for that any more" do
    {:ok, [_one, two]} = Router.start_pool(:io, 2)
    {held, waiting} = fill(two)
    shrinking = spawn(fn -> Router.resize_pool(:io, 1) end)
    assert eventually(fn -> queued?(two, 2) end)
    kill(shrinking)
    monitor = Process.monitor(two)
    release(held)
    assert Task.await(waiting) == {:ok, "done"}
    assert_receive {:DOWN, ^monitor, :process, ^two, :shutdown}, 10_000
  end

  test "contexts go with the keeper that would have closed them" do
    {:ok, [_one, two]} = Router.start_pool(:io, 2)
    {held, waiting} = fill(two)
    shrinking = Task.async(fn -> Router.resize_pool(:io, 1) end)
    assert eventually(fn -> queued?(two, 2) end)
    kill(Process.whereis(Pool.keeper(:io)))
    assert Task.await(waiting) == {:error, %ContextError{reason: :closed}}
    Port.close(elem(held, 0))
    assert Task.await(shrinking, 20_000) == :ok
    assert Router.num_contexts(:io) == 1
    assert {:ok, 1} = Py.eval("1", %{}, pool: :io)
  end

  test "a job that serves others while it waits is waited for" do
    context = start_context()
    parent = self()

    code = """
    import asyncio, erlang

    async def main():
        began()
        while not ended:
            await asyncio.sleep(0.001)
        return "ended"

    erlang.run(main())
    """

    :ok = Context.exec(context, "ended = []")
    began = fn -> send(parent, :began) end
    loop = Task.async(fn -> Context.eval(context, code, %{began: began}) end)
    assert_receive :began, 10_000
    draining = Task.async(fn -> Drain.run([context], :infinity) end)
    assert {:ok, 1} = Context.eval(context, "1")
    assert Task.yield(draining, 50) == nil
    {:ok, nil} = Context.eval(context, "ended.append(1)")
    assert Task.await(loop, 10_000) == {:ok, "ended"}
    assert Task.await(draining) == :ok
  end

  test "idle and closed contexts need no time" do
    context = start_context()
    assert Drain.run([context], 0) == :ok
    assert Drain.run([context], :infinity) == :ok
    Context.stop(context)
    assert Drain.run([context], :infinity) == :ok
  end
end
