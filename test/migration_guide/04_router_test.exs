defmodule MigrationGuide.RouterTest do
  use Py.Case.Guide

  setup do
    on_exit(fn ->
      :py_context_router.stop()
      :py_context_router.start()
    end)
  end

  test "the router manages how contexts are distributed" do
    :py_context_router.stop()

    erlang(~S"""
    %% Start with default contexts (one per scheduler)
    {ok, Contexts} = py_context_router:start(),
    true = length(Contexts) =:= erlang:system_info(schedulers),
    ok = py_context_router:stop().

    %% Start with custom count
    {ok, Contexts8} = py_context_router:start(#{contexts => 8}),
    8 = length(Contexts8).

    %% Get context for current scheduler
    Ctx = py_context_router:get_context(),
    true = lists:member(Ctx, Contexts8).

    %% Get specific context
    Ctx1 = py_context_router:get_context(1),
    Ctx1 = hd(Contexts8).

    %% Bind current process to a context
    ok = py_context_router:bind_context(Ctx),
    Ctx = py_context_router:get_context().

    %% Unbind
    ok = py_context_router:unbind_context().

    %% Get pool size
    N = py_context_router:num_contexts(),
    8 = N.
    """)
  end

  test "all calls of a bound process go to its context" do
    erlang(~S"""
    Ctx = py_context_router:get_context(),
    ok = py_context:exec(Ctx, <<"bound_to = 'this one'">>),
    py_context_router:bind_context(Ctx),
    %% All calls from this process now go to Ctx
    {ok, _} = py:call(math, sqrt, [16]),
    {ok, <<"this one">>} = py:eval(<<"bound_to">>),
    py_context_router:unbind_context().
    """)
  end

  test "more contexts than one pool once had open, work and close" do
    :py_context_router.stop()

    erlang(~S"""
    {ok, Contexts} = py_context_router:start(#{contexts => 64}),
    64 = length(lists:usort(Contexts)),
    [{ok, 4.0} = py:call(Ctx, math, sqrt, [16]) || Ctx <- Contexts],
    ok = py_context_router:stop().
    """)
  end
end
