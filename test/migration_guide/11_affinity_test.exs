defmodule MigrationGuide.AffinityTest do
  use Py.Case.Guide

  test "calls are routed by scheduler, or go to the context that is bound" do
    erlang(~S"""
    %% Automatically uses scheduler-based routing
    {ok, Result} = py:call(math, sqrt, [16]),
    4.0 = Result.

    %% Or explicitly bind a context to a process
    Ctx = py_context_router:get_context(),
    py_context_router:bind_context(Ctx),
    %% All calls from this process now go to Ctx
    Ctx = py:context(),
    py_context_router:unbind_context().
    """)
  end
end
