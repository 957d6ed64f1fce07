defmodule MigrationGuide.ReactorTest do
  use Py.Case.Guide

  test "a server is a protocol, served on a socket" do
    code = """
    import socket
    from erlang.reactor import Protocol, serve

    class EchoProtocol(Protocol):
        def data_received(self, data):
            self.write(data)
            return "continue"

    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    """

    context = start_context()
    assert :py.exec(context, code) == :ok
    assert {:ok, port} = :py.eval(context, "port")
    server = Task.async(fn -> :py.exec(context, "serve(sock, EchoProtocol)") end)

    {:ok, client} = :gen_tcp.connect(~c"127.0.0.1", port, [:binary, active: false])
    :ok = :gen_tcp.send(client, "to and fro")
    assert :gen_tcp.recv(client, 10, 20_000) == {:ok, "to and fro"}
    :gen_tcp.close(client)
    Task.shutdown(server, :brutal_kill)
  end
end
