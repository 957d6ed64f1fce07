defmodule Facade.PyReactorContextTest do
  use Py.Case, async: false

  describe "py_reactor_context" do
    test "starts reactors, hands off to them, and says the reason when it cannot" do
      opts = %{setup: Py.Connections.protocols(), protocol: "Echo", max_connections: 1}
      {:ok, reactor} = :py_reactor_context.start_link(1, :auto, opts)
      {client, accepted} = Py.Connections.pair()
      {:ok, fd} = :inet.getfd(accepted)
      assert :py_reactor_context.handoff(reactor, fd, %{type: :tcp}) == :ok
      assert Py.Connections.echo(client, "hello") == "hello"
      assert :py_reactor_context.handoff(reactor, fd, %{type: :tcp}) == {:error, :busy}
      assert {:ok, %{connections: 1, total: 1}} = :py_reactor_context.stats(reactor)
      assert :py_reactor_context.stop(reactor) == :ok
      assert :py_reactor_context.stats(reactor) == {:error, :closed}
      assert :py.dup_fd(-1) == {:error, :ebadf}
      {:ok, empty} = :py_reactor_context.start_link(2, :worker)
      assert :py_reactor_context.stop(empty) == :ok
    end
  end
end
