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
end
