defmodule MigrationGuide.TroubleshootingTest do
  use Py.Case.Guide

  test "the application can be started twice" do
    erlang("{ok, _} = application:ensure_all_started(erlang_python).")
  end

  test "exec and eval of one process meet, though the guide warns that they may not" do
    erlang(~S"""
    ok = py:exec(<<"x = 42">>),
    {ok, 42} = py:eval(<<"x">>).
    """)

    # What it warns of is true of another process.
    assert {:error, {:NameError, _}} = Task.await(Task.async(fn -> :py.eval("x") end))
  end

  test "explicit contexts are right for all" do
    erlang(~S"""
    %% Right - use explicit context
    Ctx = py:context(1),
    py:exec(Ctx, <<"x = 42">>),
    {ok, 42} = py:eval(Ctx, <<"x">>).
    """)
  end

  requires_interpreters()

  test "an extension that refuses sub-interpreters works without a context, or says what to do" do
    # `readline` is one that every Python brings along.
    on_exit(fn -> Py.Router.unregister_pool(:readline) end)

    erlang(~S"""
    {ok, _} = py:eval(<<"import readline\nreadline.get_history_length()">>).
    """)

    context = start_context()

    # Which from 3.14 on share a GIL, and load what needs one.
    if older_than?({3, 14}) do
      assert {:error, %Py.Error{} = error} = Py.Context.exec(context, "import readline")
      assert Exception.message(error) =~ "mode: :worker"
    end
  end

  test "the number of contexts is configured, or given at run time" do
    config = [num_contexts: 8]

    assert {:ok, 8, _output} =
             Py.Child.run({:py_context_router, :num_contexts, []}, config: config)

    erlang(~S"""
    ok = py_context_router:stop(),
    py_context_router:start(#{contexts => 8}),
    8 = py_context_router:num_contexts(),
    ok = py_context_router:stop().
    """)
  end
end
