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

    ExUnit.CaptureLog.capture_log(fn ->
      assert catch_exit(Settings.update(:registrations, fn _table -> raise "oops" end))
    end)

    assert Settings.update(:registrations, & &1) == :ok
    assert Settings.table(:registrations) == before
  end

  defp each(functions, change),
    do: functions |> Enum.map(&Task.async(fn -> change.(&1) end)) |> Task.await_many()
end
