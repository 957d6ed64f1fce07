defmodule MigrationGuide.HandoffTest do
  use Py.Case.Guide

  setup do
    {:ok, listener} = :gen_tcp.listen(0, [:binary, active: false, ip: {127, 0, 0, 1}])
    {:ok, port} = :inet.port(listener)
    {:ok, client} = :gen_tcp.connect(~c"127.0.0.1", port, [:binary, active: false])
    on_exit(fn -> :gen_tcp.close(listener) end)
    %{listener: listener, client: client}
  end

  test "a connection is handed off to a reactor", %{listener: listener, client: client} do
    setup = """
    from erlang.reactor import Protocol, set_protocol_factory

    class EchoProtocol(Protocol):
        def data_received(self, data):
            self.write(self.client_info["type"].encode() + b": " + data)
            return "continue"

    set_protocol_factory(EchoProtocol)
    """

    {_, %{Reactor: reactor}} =
      erlang(
        ~S"""
        {ok, Reactor} = py_reactor_context:start_link(1, auto, #{setup => Setup}).
        %% Erlang: Accept and hand off to reactor
        {ok, ClientSock} = gen_tcp:accept(ListenSock),
        {ok, Fd} = inet:getfd(ClientSock),
        %% Duplicate fd so both sides have independent copies
        {ok, DupFd} = py:dup_fd(Fd),
        py_reactor_context:handoff(DupFd, #{type => tcp}),
        %% Safe to close Erlang's socket
        gen_tcp:close(ClientSock).
        """,
        ListenSock: listener,
        Setup: setup
      )

    :ok = :gen_tcp.send(client, "hello")
    assert :gen_tcp.recv(client, 10, 20_000) == {:ok, "tcp: hello"}
    assert :py_reactor_context.stop(reactor) == :ok
  end

  test "a descriptor goes to Python for asyncio itself", %{listener: listener, client: client} do
    import_from_guide()
    :ok = :gen_tcp.send(client, "hello")

    erlang(
      ~S"""
      {ok, ClientSock} = gen_tcp:accept(ListenSock),
      {ok, Fd} = inet:getfd(ClientSock),
      {ok, DupFd} = py:dup_fd(Fd),
      Ctx = py:context(1),
      {ok, 5} = py:call(Ctx, my_handler, handle_fd, [DupFd]),
      gen_tcp:close(ClientSock).
      """,
      ListenSock: listener
    )

    assert :gen_tcp.recv(client, 5, 20_000) == {:ok, "HELLO"}
  end
end
