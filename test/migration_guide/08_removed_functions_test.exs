defmodule MigrationGuide.RemovedFunctionsTest do
  use Py.Case.Guide

  @removed [
    bind: 0..1,
    unbind: 0..1,
    is_bound: 0..0,
    with_context: 1..1,
    ctx_call: 4..6,
    ctx_eval: 2..4,
    ctx_exec: 2..2,
    call_async: 3..4
  ]

  test "the functions that the guide lists are not there" do
    Code.ensure_loaded!(:py)

    for {name, arities} <- @removed, arity <- arities do
      refute function_exported?(:py, name, arity), "py:#{name}/#{arity}"
      refute function_exported?(Py, name, arity), "Py.#{name}/#{arity}"
    end
  end

  test "routing by scheduler is automatic" do
    erlang(~S"""
    %% Automatic scheduler-affinity routing (recommended)
    {ok, _} = py:call(math, sqrt, [16]).
    """)
  end

  test "a context is bound by way of the router" do
    erlang(~S"""
    %% Or explicit context binding via router
    Ctx = py_context_router:get_context(),
    py_context_router:bind_context(Ctx),
    {ok, _} = py:call(math, sqrt, [16]), %% Uses bound context
    py_context_router:unbind_context().
    """)
  end

  test "isolated state is in a context that is used directly" do
    erlang(~S"""
    %% For isolated state, use py_context directly
    {ok, Contexts} = py_context_router:start(),
    Ctx = py_context_router:get_context(1),
    ok = py_context:exec(Ctx, <<"x = 42">>),
    {ok, 42} = py_context:eval(Ctx, <<"x">>, #{}).
    """)
  end
end
