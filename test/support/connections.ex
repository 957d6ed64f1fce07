defmodule Py.Connections do
  @moduledoc """
  Connections to hand off, and the protocols that tests hand them to.
  """

  @loopback {127, 0, 0, 1}
  @options [:binary, active: false]

  @doc "A listening socket on the loopback interface, and its port."
  def listen do
    {:ok, listener} = :gen_tcp.listen(0, [ip: @loopback, backlog: 1024] ++ @options)
    {:ok, port} = :inet.port(listener)
    {listener, port}
  end

  @doc "Connects to a port."
  def connect(port) do
    {:ok, client} = :gen_tcp.connect(@loopback, port, @options)
    client
  end

  @doc "A client, and the socket that was accepted for it."
  def pair do
    {listener, _port} = listening = listen()
    pair = pair(listening)
    :ok = :gen_tcp.close(listener)
    pair
  end

  @doc "The same from a socket that listens."
  def pair({listener, port}) do
    client = connect(port)
    {:ok, accepted} = :gen_tcp.accept(listener, 20_000)
    {client, accepted}
  end

  @doc "A client whose other end a reactor has, and Erlang no more."
  def hand_off(reactor, info \\ %{}) do
    {client, accepted} = pair()
    :ok = Py.Reactor.handoff(reactor, accepted, info)
    :ok = :gen_tcp.close(accepted)
    client
  end

  @doc "Sends, and waits for as many bytes."
  def echo(client, data) do
    # Both at once, as neither side keeps an unlimited amount.
    sender = Task.async(fn -> :gen_tcp.send(client, data) end)
    answer = receive_bytes(client, byte_size(data))
    :ok = Task.await(sender)
    answer
  end

  @doc "So many bytes."
  def receive_bytes(client, count) do
    {:ok, data} = :gen_tcp.recv(client, count, 20_000)
    data
  end

  @doc "Everything up to the end."
  def receive_all(client, received \\ "") do
    case :gen_tcp.recv(client, 0, 20_000) do
      {:ok, data} -> receive_all(client, received <> data)
      {:error, :closed} -> received
    end
  end

  @doc """
  Protocols by name. `Echo` does what it says, `Http` serves HTTP/1.1, `Told` tells the process in
  `client_info` what happens and does what it is told by what comes.
  """
  def protocols do
    """
    import erlang
    from erlang import atom
    from erlang.reactor import Protocol, set_protocol_factory

    class Echo(Protocol):
        def data_received(self, data):
            self.write(data)
            return "continue"

    class Told(Protocol):
        def tell(self, *event):
            erlang.send(self.client_info["pid"], (atom("told"), *event))

        def connection_made(self, fd, client_info):
            self.tell("made", fd)

        def data_received(self, data):
            self.tell("data", data)
            command, _, rest = bytes(data).partition(b" ")
            if command == b"raise":
                raise ValueError(rest.decode())
            if command == b"answer":
                return 42
            if command == b"echo":
                self.write(rest)
                return "continue"
            if command == b"flood":
                count = 0
                try:
                    while True:
                        self.write(bytes(65536))
                        count += 1
                except BlockingIOError as error:
                    self.tell("full", count, str(error))
                return "close"
            if command == b"close":
                self.write(b"bye")
                self.close()
                return "continue"
            if command == b"pages":
                self.pages = [b"one", b"two", b"three"]
                return "write_pending"
            if command == b"wait":
                self.pages = [b"later"]
                return "async_pending"
            return command.decode()

        def write_ready(self):
            self.tell("ready")
            if not self.pages:
                return "read_pending"
            self.write(self.pages.pop(0))
            return "continue"

        def connection_lost(self):
            self.tell("lost")

    class Http(Protocol):
        def __init__(self):
            self.pending = b""

        def data_received(self, data):
            self.pending += data
            while True:
                head, end, rest = self.pending.partition(b"\\r\\n\\r\\n")
                if not end:
                    return "continue"
                line, *fields = head.decode("latin-1").split("\\r\\n")
                method, path, _version = line.split(" ")
                headers = dict(field.lower().split(": ", 1) for field in fields)
                length = int(headers.get("content-length", 0))
                if len(rest) < length:
                    return "continue"
                body, self.pending = rest[:length], rest[length:]
                answer = f"{method} {path} {len(body)}".encode() * (100_000 if path == "/big" else 1)
                self.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(answer))
                self.write(answer)
                if headers.get("connection") == "close":
                    return "close"
    """
  end
end
