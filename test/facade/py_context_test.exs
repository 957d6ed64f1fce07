defmodule Facade.PyContextTest do
  use Py.Case, async: false

  alias Py.Context

  test "py_context is Py.Context" do
    {:ok, ctx} = :py_context.start_link(1, :auto)
    assert :py_context.exec(ctx, "x = 42") == :ok
    assert :py_context.eval(ctx, "x", %{}) == {:ok, 42}
    assert :py_context.eval(ctx, "x + y", %{y: 1}, 5000) == {:ok, 43}
    assert :py_context.call(ctx, :builtins, :sorted, [[1, 2]], %{reverse: true}) == {:ok, [2, 1]}
    assert :py_context.call(ctx, :builtins, :sorted, [[1, 2]], %{}, 5000) == {:ok, [1, 2]}
    {:ok, ref} = :py.call(ctx, :collections, :deque, [[1]])
    assert :py_context.call_method(ctx, ref, :pop, []) == {:ok, 1}
    {:ok, %{interp_id: id}} = Context.info(ctx)
    assert :py_context.get_interp_id(ctx) == {:ok, id}
    assert :py_context.stop(ctx) == :ok
    assert :py_context.get_interp_id(ctx) == {:error, :closed}
  end
end
