defmodule Facade.PyContextRouterTest do
  # The router's functions act on the pool that everyone uses.
  use Py.Case, async: false

  alias Py.Router

  test "py_context_router is Py.Router" do
    assert :py_context_router.is_started()
    assert {:ok, [_, _, _]} = :py_context_router.start(%{contexts: 3})
    assert {:ok, [one | _]} = :py_context_router.start()
    assert :py_context_router.num_contexts() == 3
    assert :py_context_router.num_contexts(:default) == 3
    assert :py_context_router.contexts() == Router.contexts()
    assert :py_context_router.contexts(:default) == Router.contexts()
    assert :py_context_router.get_context(1) == one
    assert :py_context_router.get_context() in Router.contexts()
    assert :py_context_router.get_context(:default) in Router.contexts()
    assert :py_context_router.bind_context(one) == :ok
    assert :py_context_router.get_context() == one
    assert {:ok, 4.0} = :py.call(:math, :sqrt, [16])
    assert :py_context_router.unbind_context() == :ok
    assert :py_context_router.bind_context(:default, one) == :ok
    assert :py_context_router.unbind_context(:default) == :ok
    assert :py_context_router.stop() == :ok
    refute :py_context_router.is_started()
    assert :py.call(:math, :sqrt, [16]) == {:error, :not_found}
    assert {:ok, contexts} = :py.start_contexts(%{contexts: System.schedulers_online()})
    assert {:ok, ^contexts} = :py.start_contexts()
    assert :py.stop_contexts() == :ok
    assert {:ok, _} = :py.start_contexts()
  end

  test "pools are named where contexts are, and registered for modules" do
    assert {:ok, [_, _]} = :py_context_router.start_pool(:io, 2, :worker)
    assert {:ok, [one, two]} = :py_context_router.start_pool(:io, 2)
    assert {:ok, [^one, ^two]} = :py_context_router.start_pool(:io, 2, %{mode: :worker})
    assert :py_context_router.pool_started(:io)
    assert :py_context_router.num_contexts(:io) == 2
    assert :py_context_router.contexts(:io) == [one, two]
    assert :py_context_router.get_context(:io) in [one, two]
    assert :py.call(:io, :math, :sqrt, [16]) == {:ok, 4.0}
    assert :py.call(:io, :builtins, :sorted, [[1, 2]], %{reverse: true}) == {:ok, [2, 1]}
    assert :py.call(:io, :builtins, :sorted, [[1, 2]], reverse: true) == {:ok, [2, 1]}
    assert :py.eval(:io, "1 + 1") == {:ok, 2}
    assert :py.eval(:io, "x + 1", %{x: 1}) == {:ok, 2}
    assert :py.exec(:io, "pooled = 1") == :ok
    assert :py.eval(:io, "pooled") == {:ok, 1}

    assert :py_context_router.resize_pool(:io, 3) == :ok
    assert :py_context_router.resize_pool(:io, 2, %{drain: 5_000}) == :ok
    assert :py_context_router.num_contexts(:io) == 2

    assert :py.register_pool(:io, :math) == :ok
    assert :py.register_pool(:io, {:statistics, :mean}) == :ok
    assert :py_context_router.register_pool(:io, ~c"xml") == :ok
    assert :py_context_router.register_pool(:io, "statistics", "median") == :ok
    assert :py_context_router.lookup_pool(:math, :sqrt) == :io
    assert :py_context_router.lookup_pool("statistics", ~c"mean") == :io
    assert :py_context_router.lookup_pool(:statistics, :mode) == :default
    assert :py.call(:math, :sqrt, [16]) == {:ok, 4.0}

    assert :py_context_router.list_pool_registrations() == [
             {{"statistics", "mean"}, :io},
             {{"statistics", "median"}, :io},
             {"math", :io},
             {"xml", :io}
           ]

    assert :py.unregister_pool(:math) == :ok
    assert :py.unregister_pool({:statistics, :mean}) == :ok
    assert :py_context_router.unregister_pool(:statistics, :median) == :ok
    assert :py_context_router.unregister_pool("xml") == :ok
    assert :py_context_router.list_pool_registrations() == []
    assert :py_context_router.stop_pool(:io, %{drain: 1_000}) == :ok
    refute :py_context_router.pool_started(:io)
    assert :py_context_router.stop_pool(:io) == :ok
    assert :py.call(:io, :math, :sqrt, [16]) == {:error, :not_found}
    assert :py.register_pool(:io, :math) == {:error, :not_found}
  end
end
