defmodule MigrationGuide.SpawnTaskTest do
  use Py.Case.Guide

  @code """
  import erlang
  import asyncio

  async def background_work():
      await asyncio.sleep(0.05)
      print("Background done")
      erlang.send("guide_background", "done")

  def sync_handler():
      # Works even without running event loop
      task = erlang.spawn_task(background_work())
      # Fire-and-forget, task runs in background
      return "submitted"

  async def async_handler():
      # Also works in async context
      task = erlang.spawn_task(background_work())
      # Optionally await
      await task
      return "awaited"
  """

  setup do
    context = start_context()
    Process.register(self(), :guide_background)
    :ok = :py.exec(context, @code)
    %{context: context}
  end

  test "a task is spawned without a running event loop", %{context: context} do
    assert :py.call(context, :__main__, :sync_handler, []) == {:ok, "submitted"}
    assert_receive "done", 20_000
  end

  test "a task is spawned in an async context, and may be awaited", %{context: context} do
    assert :py.eval(context, "erlang.run(async_handler())") == {:ok, "awaited"}
    assert_received "done"
  end
end
