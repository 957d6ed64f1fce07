defmodule MigrationGuide.SpawnCallTest do
  use Py.Case.Guide

  test "spawn_call takes the place of call_async" do
    {value, _} =
      erlang(~S"""
      Ref = py:spawn_call(math, factorial, [100]),
      {ok, Result} = py:await(Ref),
      Result.
      """)

    assert value == Enum.product(1..100)
    refute function_exported?(:py, :call_async, 3)
  end

  test "cast is fire-and-forget: it returns ok, and nobody awaits it" do
    Process.register(self(), :guide_inbox)

    erlang(~S"""
    ok = py:register_function(guide_note, fun([Note]) -> guide_inbox ! {note, Note} end),
    ok = py:cast(erlang, call, [<<"guide_note">>, 1]),
    ok = py:cast(erlang, call, [<<"guide_note">>, 2], #{}).
    """)

    assert_receive {:note, 1}, 20_000
    assert_receive {:note, 2}, 20_000
    :py.unregister_function(:guide_note)
  end
end
