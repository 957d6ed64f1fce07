defmodule Py.LoopTest do
  use Py.Case, async: true

  alias Py.{Context, ContextError}

  # `waiting` tells a process that its loop runs, and waits until `release` is called.
  @source """
  import asyncio, erlang
  from functools import partial
  releases = []

  async def waiting(pid, value):
      loop, done = asyncio.get_running_loop(), asyncio.Event()
      releases.append(partial(loop.call_soon_threadsafe, done.set))
      erlang.send(pid, erlang.atom('waiting'))
      await done.wait()
      return value

  def wait(pid, value):
      return erlang.run(waiting(pid, value))

  def release():
      releases.pop()()

  async def double(value):
      await asyncio.sleep(0)
      return 2 * value

  def run_another(value):
      return erlang.run(double(value))

  async def forever(path):
      try:
          started.set()
          await asyncio.sleep(1000)
      finally:
          await asyncio.sleep(0)
          with open(path, 'w') as file:
              file.write('ended')

  def spawn_forever(path):
      import threading
      global started
      started = threading.Event()
      erlang.spawn_task(forever(path))
      started.wait()
  """

  setup do
    %{context: start_context_with_source()}
  end

  defp start_context_with_source do
    context = start_context()
    :ok = Context.exec(context, @source)
    context
  end

  defp start_waiting(context, value) do
    pid = self()
    task = Task.async(fn -> Context.call(context, :__main__, :wait, [pid, value]) end)
    assert_receive :waiting, 20_000
    task
  end

  test "a loop that waits lets others call into its context", %{context: context} do
    task = start_waiting(context, 7)
    assert Context.eval(context, "1 + 1") == {:ok, 2}
    assert Context.call(context, :__main__, :release, []) == {:ok, nil}
    assert Task.await(task, 20_000) == {:ok, 7}
  end

  test "those who call meanwhile may run loops of their own", %{context: context} do
    task = start_waiting(context, 7)
    assert Context.call(context, :__main__, :run_another, [21]) == {:ok, 42}
    assert {:ok, _} = Context.call(context, :__main__, :release, [])
    assert Task.await(task, 20_000) == {:ok, 7}
  end

  test "each context may run a loop at the same time", %{context: context} do
    others = [context, start_context_with_source()]
    tasks = for {context, value} <- Enum.with_index(others), do: start_waiting(context, value)
    for context <- others, do: {:ok, _} = Context.call(context, :__main__, :release, [])
    assert Task.await_many(tasks, 20_000) == [{:ok, 0}, {:ok, 1}]
  end

  test "a time-out ends a loop that waits", %{context: context} do
    code = "erlang.run(asyncio.sleep(1000))"

    assert {:error, %ContextError{reason: :timeout}} =
             Context.eval(context, code, %{}, timeout: 50)

    assert Context.call(context, :__main__, :run_another, [2]) == {:ok, 4}
  end

  test "a spawned task outlives its call", %{context: context} do
    code = "spawned = erlang.spawn_task(double(4))"
    assert Context.exec(context, code) == :ok
    assert Context.eval(context, "spawned.result()") == {:ok, 8}
  end

  test "functions are called and awaited many at a time, each in a process of its own", %{
    context: context
  } do
    :ok =
      Context.exec(context, """
      async def gather(f, count):
          return await asyncio.gather(*[erlang.async_call(f, n) for n in range(count)])

      async def each(f, count):
          return sorted(await gather(f, count))
      """)

    # None of them answers before all have been called.
    meeting = self()

    meet = fn n ->
      send(meeting, {:here, n, self()})
      receive do: (:go_on -> n)
    end

    task = Task.async(fn -> Context.call(context, :__main__, :each, [meet, 5000]) end)
    called = for _n <- 1..5000, do: assert_receive({:here, _, _}, 20_000)
    for {:here, _n, process} <- called, do: send(process, :go_on)
    assert Task.await(task, 20_000) == {:ok, Enum.to_list(0..4999)}
    assert Py.eval("erlang.run(each(f, 3))", %{f: & &1}, context: context) == {:ok, [0, 1, 2]}
  end

  test "an awaited function may call the same context, and what it raises is raised", %{
    context: context
  } do
    :ok =
      Context.exec(context, "async def ask(f, *args): return await erlang.async_call(f, *args)")

    again = fn n -> Context.call(context, :__main__, :double, [n]) |> elem(1) end
    assert Context.call(context, :__main__, :ask, [again, 4]) == {:ok, 8}
    assert {:error, error} = Context.call(context, :__main__, :ask, [fn -> raise "not so" end])
    assert error.type == "erlang.CallbackError"
    assert error.message =~ "not so"
    dies = fn -> Process.exit(self(), :kill) end
    assert {:error, error} = Context.call(context, :__main__, :ask, [dies])
    assert error.type == "erlang.CallbackError"
    assert {:error, error} = Context.call(context, :__main__, :ask, [fn -> make_ref() end, 1])
    assert error.message =~ "arity"
    ask = "asyncio.run(ask(f, 4))"
    assert Py.eval(ask, %{f: &(&1 + 1)}, context: context) == {:ok, 5}
  end

  requires_interpreters()

  test "spawned tasks clear up when their context ends", %{context: context} do
    path = Path.join(System.tmp_dir!(), "py-loop-#{System.unique_integer([:positive])}")
    on_exit(fn -> File.rm(path) end)
    assert Context.call(context, :__main__, :spawn_forever, [path]) == {:ok, nil}
    assert Context.stop(context) == :ok
    assert File.read!(path) == "ended"
  end
end
