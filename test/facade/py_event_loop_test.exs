defmodule Facade.PyEventLoopTest do
  use Py.Case, async: false

  alias Py.Router

  test "coroutines are run, awaited and spawned, with a context in front or without" do
    context = Py.context(1)
    nap = [0, ~c"nap"]
    assert :py_event_loop.run(:asyncio, :sleep, [0, :none]) == {:ok, :none}
    assert :py_event_loop.run(context, ~c"asyncio", ~c"sleep", nap) == {:ok, ~c"nap"}
    assert :py_event_loop.run(:asyncio, :sleep, [0, 1], %{timeout: 5_000}) == {:ok, 1}
    assert :py_event_loop.run(context, :asyncio, :sleep, [0, 1], %{timeout: 5_000}) == {:ok, 1}

    for ref <- [
          :py_event_loop.create_task(:asyncio, :sleep, [0, 1]),
          :py_event_loop.create_task(context, :asyncio, :sleep, [0, 1]),
          :py_event_loop.create_task(:asyncio, :sleep, [0, 1], %{timeout: 5_000}),
          :py_event_loop.create_task(context, :asyncio, :sleep, [0], %{kwargs: %{result: 1}})
        ] do
      assert :py_event_loop.await(ref) == {:ok, 1}
    end

    ref = :py_event_loop.create_task(context, :asyncio, :sleep, [0])
    assert_receive {:async_result, ^ref, {:ok, :none}}, 20_000
    ref = :py_event_loop.create_task(context, :asyncio, :sleep, [~c"soon"])
    assert_receive {:async_result, ^ref, {:error, {:TypeError, _message}}}, 20_000
    ref = :py_event_loop.create_task(context, :asyncio, :sleep, [60])
    assert :py_event_loop.await(ref, 10) == {:error, :timeout}
    ref = :py_event_loop.create_task(context, :asyncio, :sleep, [60])
    assert :py_event_loop.cancel(ref) == :ok
    assert :py_event_loop.spawn_task(:asyncio, :sleep, [0]) == :ok
    assert :py_event_loop.spawn_task(context, :asyncio, :sleep, [0]) == :ok
    assert :py_event_loop.spawn_task(:asyncio, :sleep, [], %{kwargs: %{delay: 0}}) == :ok
    assert :py_event_loop.spawn_task(context, :asyncio, :sleep, [0], %{}) == :ok

    assert :py.async_await(:py.async_call(:asyncio, :sleep, [0, 2])) == {:ok, 2}
    assert :py.async_await(:py.async_call(context, :asyncio, :sleep, [0, 2]), 5_000) == {:ok, 2}
    assert :py.async_gather([{:asyncio, :sleep, [0, 3]}]) == {:ok, [{:ok, 3}]}
  end

  test "what nobody waits for gets None for undefined, whatever the form of the call" do
    context = start_context()

    :py.exec(context, """
    import erlang

    def tell(pid, form, value, *more):
        erlang.send(pid, (form, value is None))

    async def tell_later(pid, form, value):
        tell(pid, form, value)
    """)

    main = :__main__
    args = fn form -> [self(), form, :undefined] end
    later = :tell_later
    there = %{context: context}

    # Without a context in front, the namespace is the one that the options or a binding name.
    :ok = Router.bind_context(context)
    assert :py_event_loop.spawn_task(main, later, args.(1)) == :ok
    assert :py.cast(main, :tell, args.(2)) == :ok
    assert :py.cast(main, :tell, [self(), 3], %{value: :undefined}) == :ok
    assert :py_event_loop.spawn_task(main, later, args.(4), %{kwargs: %{}}) == :ok
    Router.unbind_context()

    assert :py_event_loop.spawn_task(main, later, args.(5), there) == :ok
    assert :py_event_loop.spawn_task(context, main, later, args.(6)) == :ok
    assert :py_event_loop.spawn_task(context, main, later, args.(7), %{}) == :ok

    keywords = %{kwargs: %{value: :undefined}}
    assert :py_event_loop.spawn_task(context, main, later, [self(), 8], keywords) == :ok
    assert :py.cast(context, main, :tell, args.(9)) == :ok

    # What has a struct in it goes again, once that is encoded.
    with_struct = args.(10) ++ [%Py.Case.Money{amount: 1, currency: :eur}]
    assert :py.cast(context, main, :tell, with_struct) == :ok

    for form <- 1..10, do: assert_receive({^form, true}, 20_000)
  end
end
