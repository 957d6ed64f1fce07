defmodule MigrationGuide.AsyncioTest do
  use Py.Case.Guide

  # What the guide shows of each function stands in this frame.
  defp inside(body, result) do
    code = """
    import erlang
    import asyncio

    async def handler():
    #{body |> String.split("\n") |> Enum.map_join("\n", &("    " <> &1))}

    result = erlang.run(handler())  # Run with Erlang event loop
    """

    context = start_context()
    assert :py.exec(context, code) == :ok
    assert :py.eval(context, "result") == {:ok, result}
  end

  test "erlang.run takes the place of erlang_asyncio.run" do
    inside(
      "await asyncio.sleep(0.1)  # Standard asyncio, uses Erlang timers\nreturn 'done'",
      "done"
    )
  end

  test "asyncio.gather works inside" do
    inside(
      """
      async def double(n):
          await asyncio.sleep(0)
          return 2 * n
      return await asyncio.gather(*[double(n) for n in range(3)])
      """,
      [0, 2, 4]
    )
  end

  test "asyncio.wait_for works inside" do
    inside(
      """
      try:
          await asyncio.wait_for(asyncio.Event().wait(), 0.01)
      except asyncio.TimeoutError:
          return "timed out"
      """,
      "timed out"
    )
  end

  test "asyncio.create_task works inside" do
    inside(
      """
      async def work():
          return 7
      task = asyncio.create_task(work())
      return await task
      """,
      7
    )
  end

  test "erlang.new_event_loop gives a loop to run things on" do
    code = """
    import erlang
    import asyncio

    async def handler():
        await asyncio.sleep(0)
        return "done"

    loop = erlang.new_event_loop()
    try:
        result = loop.run_until_complete(handler())
    finally:
        loop.close()
    """

    context = start_context()
    assert :py.exec(context, code) == :ok
    assert :py.eval(context, "result") == {:ok, "done"}
  end

  test "to import erlang_asyncio is an error that says what to import" do
    assert {:error, {type, message}} = :py.exec("import erlang_asyncio")
    assert type in [:ImportError, :ModuleNotFoundError]
    assert message =~ "erlang"
    assert message =~ "erlang_asyncio"
  end
end
