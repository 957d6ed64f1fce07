defmodule MigrationGuide.EventLoopTest do
  use Py.Case.Guide

  setup do
    context = start_context()
    import_from_guide([context])
    %{bindings: [Ctx: context, Arg1: 20]}
  end

  test "run blocks until the coroutine has its result", %{bindings: bindings} do
    {42, _} =
      erlang(
        ~S"""
        %% Blocking run
        {ok, Result} = py_event_loop:run(Ctx, my_module, my_async_func, [Arg1]),
        Result.
        """,
        bindings
      )
  end

  test "create_task gives a reference to await", %{bindings: bindings} do
    {42, _} =
      erlang(
        ~S"""
        %% Non-blocking with reference
        Ref = py_event_loop:create_task(Ctx, my_module, my_async_func, [Arg1]),
        {ok, Result} = py_event_loop:await(Ref, 5000),
        Result.
        """,
        bindings
      )
  end

  test "spawn_task is fire-and-forget", %{bindings: bindings} do
    Process.register(self(), :guide_event_loop)

    erlang(
      ~S"""
      %% Fire-and-forget
      py_event_loop:spawn_task(Ctx, my_module, my_async_func, [Arg1]).
      """,
      bindings
    )

    assert_receive "my_async_func(20)", 20_000
  end

  test "results come as messages", %{bindings: bindings} do
    snippet = ~S"""
    %% Message-based result delivery
    Ref = py_event_loop:create_task(Ctx, my_module, my_async_func, [Arg1]),
    receive
      {async_result, Ref, {ok, Result}} -> Handle(Result);
      {async_result, Ref, {error, Reason}} -> HandleError(Reason)
    end.
    """

    named = [Handle: &{:handled, &1}, HandleError: &{:failed, &1}]
    assert {{:handled, 42}, _} = erlang(snippet, bindings ++ named)

    failing = Keyword.put(bindings, :Arg1, -1)
    assert {{:failed, {:ValueError, "negative"}}, _} = erlang(snippet, failing ++ named)
  end
end
