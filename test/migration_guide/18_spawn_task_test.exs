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

  # What is printed within a call goes to the caller's group leader, and what a thread in the
  # background prints to the application's.
  setup do
    context = start_context()
    {:ok, device} = StringIO.open("")
    Process.group_leader(self(), device)
    attendant = Process.whereis(Py.Attendant)
    {:group_leader, leader} = Process.info(attendant, :group_leader)
    Process.group_leader(attendant, device)
    on_exit(fn -> Process.group_leader(attendant, leader) end)
    Process.register(self(), :guide_background)
    :ok = :py.exec(context, @code)
    %{context: context, device: device}
  end

  defp printed?(device), do: StringIO.contents(device) == {"", "Background done\n"}

  test "a task is spawned without a running event loop", %{context: context, device: device} do
    assert :py.call(context, :__main__, :sync_handler, []) == {:ok, "submitted"}
    assert_receive "done", 20_000
    assert eventually(fn -> printed?(device) end)
  end

  test "a task is spawned in an async context, and may be awaited", tags do
    assert :py.eval(tags.context, "erlang.run(async_handler())") == {:ok, "awaited"}
    assert_received "done"
    assert eventually(fn -> printed?(tags.device) end)
  end
end
