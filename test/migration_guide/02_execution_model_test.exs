defmodule MigrationGuide.ExecutionModelTest do
  use Py.Case.Guide

  test "an explicit context shares its state" do
    erlang(~S"""
    Ctx = py:context(1),
    py:exec(Ctx, <<"x = 42">>),
    {ok, 42} = py:eval(Ctx, <<"x">>).
    """)
  end

  test "namespaces are isolated: what one context defines, others do not see" do
    erlang(~S"""
    Ctx1 = py:context(1),
    Ctx2 = py:context(2),
    ok = py:exec(Ctx1, <<"only_in_one = 1">>),
    {error, {'NameError', _}} = py:eval(Ctx2, <<"only_in_one">>).
    """)
  end

  test "module imports are per context" do
    import_from_guide()

    erlang(~S"""
    %% Import in one context doesn't affect others
    Ctx1 = py:context(1),
    Ctx2 = py:context(2),
    py:exec(Ctx1, <<"import mymodule">>),
    %% Ctx2 does NOT have mymodule imported
    {ok, <<"mymodule">>} = py:eval(Ctx1, <<"mymodule.__name__">>),
    {error, {'NameError', _}} = py:eval(Ctx2, <<"mymodule">>).
    """)
  end

  requires_interpreters()

  test "a module that one context has changed is unchanged in another one" do
    import_from_guide()

    erlang(~S"""
    Ctx1 = py:context(1),
    Ctx2 = py:context(2),
    ok = py:exec(Ctx1, <<"import mymodule as theirs\ntheirs.counter = 7">>),
    {ok, 0} = py:eval(Ctx2, <<"import mymodule as mine\nmine.counter">>).
    """)
  end

  test "shared state is there for all contexts" do
    code = """
    from erlang import state_set, state_get
    state_set("config", {"key": "value"})  # Available to all contexts
    """

    assert :py.exec(:py.context(1), code) == :ok

    erlang(~S"""
    Ctx2 = py:context(2),
    {ok, #{<<"key">> := <<"value">>}} =
        py:eval(Ctx2, <<"__import__('erlang').state_get('config')">>),
    {ok, #{<<"key">> := <<"value">>}} = py:state_fetch(<<"config">>),
    ok = py:state_remove(<<"config">>).
    """)
  end
end
