defmodule MigrationGuide.SleepTest do
  use Py.Case.Guide

  test "erlang.sleep lets other contexts and the schedulers run" do
    code = """
    import erlang

    def slow_handler():
        # Sleep without blocking Erlang scheduler
        erlang.sleep(0.2)  # Releases dirty scheduler during sleep
        return "done"
    """

    [one, two] = [start_context(), start_context()]
    :ok = :py.exec(one, code)
    sleeping = Task.async(fn -> :py.call(one, :__main__, :slow_handler, []) end)
    assert :py.call(two, :math, :sqrt, [16]) == {:ok, 4.0}
    assert Task.await(sleeping) == {:ok, "done"}
  end
end
