defmodule MigrationGuide.ContextsTest do
  use Py.Case.Guide

  test "all operations on a context share state" do
    erlang(~S"""
    %% Get context 1 (1-based indexing)
    Ctx = py:context(1),
    %% All operations on Ctx share state
    ok = py:exec(Ctx, <<"counter = 0">>),
    ok = py:exec(Ctx, <<"counter += 1">>),
    {ok, 1} = py:eval(Ctx, <<"counter">>).
    """)
  end

  test "the pool can be started explicitly" do
    {_, %{Contexts: contexts}} =
      erlang(~S"""
      {ok, Contexts} = py:start_contexts().
      %% Returns list of context PIDs
      """)

    assert contexts != []
    assert Enum.all?(contexts, &is_pid/1)
    assert :py.contexts_started()
  end

  test "context processes can be started by themselves, in the mode auto" do
    erlang(~S"""
    {ok, Ctx} = py_context:start_link(1, auto),
    ok = py_context:exec(Ctx, <<"x = 42">>),
    {ok, 42} = py_context:eval(Ctx, <<"x">>, #{}),
    {ok, 4.0} = py_context:call(Ctx, math, sqrt, [16], #{}),
    ok = py_context:stop(Ctx).
    """)
  end
end
