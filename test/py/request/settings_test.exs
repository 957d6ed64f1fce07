defmodule Py.Request.SettingsTest do
  use Py.Case, async: true

  alias Py.Request.Settings
  alias Py.Router

  test "all changes are made, however many are made at a time" do
    functions = for n <- 1..50, do: {"settings_test", "function_#{n}"}
    on_exit(fn -> Enum.each(functions, &Router.unregister_inline/1) end)
    each(functions, &Router.register_inline/1)
    assert Enum.all?(functions, &is_map_key(Settings.table(:inline), &1))
    each(functions, &Router.unregister_inline/1)
    refute Enum.any?(functions, &is_map_key(Settings.table(:inline), &1))
  end

  test "a change that cannot be made leaves them as they were, and others to be made" do
    before = Settings.table(:registrations)

    assert catch_exit(Settings.update(:registrations, fn _table -> exit(:oops) end)) == :oops
    assert Settings.update(:registrations, & &1) == :ok
    assert Settings.table(:registrations) == before
  end

  test "a change of somebody who has been killed meanwhile is not made" do
    late = {"settings_test", "late"}
    on_exit(fn -> Router.unregister_inline(late) end)
    holder = hold_lock()
    caller = spawn(fn -> Router.register_inline(late) end)
    assert eventually(fn -> waiting(holder) != [] end)
    monitors = Enum.map(waiting(holder), &Process.monitor/1)
    kill(caller)
    send(holder, :let_go)

    for monitor <- monitors,
        do: assert_receive({:DOWN, ^monitor, :process, _writer, :normal}, 5_000)

    refute is_map_key(Settings.table(:inline), late)
  end

  # As a writer does. Another test may be writing.
  defp hold_lock do
    test = self()

    spawn(fn ->
      assert eventually(fn -> registered?() end)
      send(test, :held)
      receive do: (:let_go -> :ok)
    end)
    |> tap(fn _holder -> assert_receive :held, 5_000 end)
  end

  defp registered? do
    Process.register(self(), Settings)
  rescue
    ArgumentError -> false
  end

  defp waiting(holder) do
    {:monitored_by, pids} = Process.info(holder, :monitored_by)
    Enum.filter(pids, &is_pid/1)
  end

  defp each(functions, change),
    do: functions |> Enum.map(&Task.async(fn -> change.(&1) end)) |> Task.await_many()
end
