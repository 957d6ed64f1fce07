defmodule MigrationGuide.ScheduleTest do
  use Py.Case.Guide

  test "erlang.call waits for a function, and erlang.schedule lets others run" do
    code = """
    import erlang

    def handler():
        arg1, arg2 = 20, 22
        # Blocking call to Erlang
        result = erlang.call('my_callback', arg1, arg2)
        # For async contexts, use schedule to yield control
        erlang.schedule()  # Yield to event loop
        return result
    """

    erlang("ok = py:register_function(my_callback, fun([A, B]) -> A + B end).")
    context = start_context()
    assert :py.exec(context, code) == :ok
    assert :py.call(context, :__main__, :handler, []) == {:ok, 42}
    :py.unregister_function(:my_callback)
  end

  test "in a loop of asyncio, awaiting erlang.schedule lets the other tasks run each time" do
    code = """
    import asyncio, erlang

    async def count(name, seen):
        for number in range(3):
            seen.append(f"{name}{number}")
            await erlang.schedule()

    async def both():
        seen = []
        await asyncio.gather(count("a", seen), count("b", seen))
        return seen
    """

    context = start_context()
    assert :py.exec(context, code) == :ok
    turns = {:ok, ~w(a0 b0 a1 b1 a2 b2)}
    assert :py.call(context, :__main__, :both, []) == turns
    assert :py.eval(context, "erlang.run(both())") == turns
  end

  test "meanwhile other requests of the context are served" do
    code = """
    import erlang

    async def until_told(pid):
        erlang.send(pid, "waiting")
        rounds = 0
        while not told:
            rounds += 1
            await erlang.schedule()
        return rounds

    told = False
    """

    context = start_context()
    assert :py.exec(context, code) == :ok
    ref = :py_event_loop.create_task(context, :__main__, :until_told, [self()])
    assert_receive "waiting", 20_000
    assert :py.exec(context, "told = True") == :ok
    assert {:ok, rounds} = :py_event_loop.await(ref)
    assert rounds > 0
  end
end
