defmodule Facade.NodeTest do
  # What `py` keeps for the whole node, and tells of it.
  use Py.Case, async: false

  test "state is shared with Python" do
    key = <<"facade">>
    assert :py.state_fetch(key) == {:error, :not_found}
    assert :py.state_store(key, %{"a" => 1}) == :ok
    assert :py.state_fetch(key) == {:ok, %{"a" => 1}}
    assert {:ok, %{"a" => 1}} = :py.eval("__import__('erlang').state_get('facade')")
    assert :py.exec("import erlang; erlang.state_set('facade', [None])") == :ok
    assert :py.state_fetch(key) == {:ok, [:none]}
    assert {:ok, [:none]} = :py.eval("__import__('erlang').state_get('facade')")
    assert key in :py.state_keys()
    assert :py.state_remove(key) == :ok
    refute key in :py.state_keys()
    assert :py.state_incr(key) == 1
    assert :py.state_incr(key, 10) == 11
    assert :py.state_decr(key) == 10
    assert :py.state_decr(key, 4) == 6
    assert :py.state_clear() == :ok
    assert :py.state_keys() == []
  end

  test "memory is told of, collected and traced" do
    assert {:ok, %{interpreters: _, resident: _}} = :py.memory_stats()
    assert {:ok, count} = :py.gc()
    assert is_integer(count)
    assert {:ok, _count} = :py.gc(0)

    # Where interpreters may have a GIL each, there is no tracing.
    for answer <- [:py.tracemalloc_start(), :py.tracemalloc_start(3)],
        do: assert(answer == :ok or match?({:error, {:RuntimeError, _}}, answer))

    assert :py.tracemalloc_stop() == :ok
  end

  test "facts agree with Elixir's" do
    assert :py.version() == {:ok, Py.version()}
    assert :py.execution_mode() == Py.execution_mode()
    assert :py.subinterp_supported() == Py.subinterp_supported?()
    assert :py.contexts_started() == Py.contexts_started?()
    assert Map.keys(:py.info()) == Map.keys(Py.info())
    assert %{version_info: {3, _, _}, pools: %{default: %{size: _}}} = :py.info()
    refute nil in Map.values(:py.info())
  end

  test "logs and traces" do
    assert :py.configure_logging(%{level: :info}) == :ok
    assert :py.configure_logging(level: :warning) == :ok
    assert :py.clear_traces() == :ok
    assert :py.enable_tracing() == :ok
    assert :py.exec("import erlang\nwith erlang.Span('work', n=1): pass") == :ok

    assert {:ok, [%{name: "work", status: :ok, error: :none, parent_id: :none}]} =
             :py.get_traces()

    assert :py.disable_tracing() == :ok
    assert :py.clear_traces() == :ok
    assert :py.get_traces() == {:ok, []}
    assert :py.configure_logging() == :ok
    assert :py.configure_logging(%{level: :warning}) == :ok
  end
end
