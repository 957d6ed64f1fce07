defmodule Py.Modes.ReactorTest do
  # Protocols on sockets and pipes, in every mode. What else can go wrong with descriptors is in
  # test/py/reactor_test.exs, for the default one.
  use Py.Case, async: false

  import ExUnit.CaptureLog
  import Py.Connections

  alias Py.{Context, Reactor}

  for %{name: mode, supported: true} <- Py.Mode.all() do
    describe "in mode #{mode}" do
      setup do
        context = start_context(mode: unquote(mode))
        :ok = Context.exec(context, protocols())
        %{context: context}
      end

      test "a connection is echoed, though Erlang has closed its socket", %{context: context} do
        client = hand_off(start(context, "Echo"))
        assert echo(client, "hello") == "hello"
        for size <- [1, 4095, 4096, 65_536, 3_000_000], do: assert_echo(client, size)
      end

      test "HTTP is spoken with a real client", %{context: context} do
        reactor = start(context, "Http")
        {listener, port} = listening = listen()
        {:ok, _apps} = Application.ensure_all_started(:inets)
        accept = Task.async(fn -> for _ <- 1..3, do: accept(reactor, listener) end)
        url = 'http://127.0.0.1:#{port}'

        assert get(url ++ '/hello') == {200, "GET /hello 0"}
        assert get(url ++ '/big') == {200, String.duplicate("GET /big 0", 100_000)}
        body = :binary.copy("x", 1_000_000)
        request = {url ++ '/post', [{'connection', 'close'}], 'text/plain', body}

        assert answer(:httpc.request(:post, request, [], body_format: :binary)) ==
                 {200, "POST /post 1000000"}

        Task.shutdown(accept, :brutal_kill)
        {raw, accepted} = pair(listening)
        :ok = Reactor.handoff(reactor, accepted, %{})

        :ok =
          :gen_tcp.send(
            raw,
            "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\nConnection: close\r\n\r\n"
          )

        assert receive_all(raw) =~ ~r"GET /a 0HTTP/1.1 200 OK\r\n.*\r\n\r\nGET /b 0$"s
      end

      unless System.find_executable("curl"), do: @tag(skip: "needs curl")

      test "curl is served, two requests on one connection and what it uploads", %{
        context: context
      } do
        reactor = start(context, "Http")
        {listener, port} = listen()
        accept = Task.async(fn -> for _ <- 1..2, do: accept(reactor, listener) end)
        url = "http://127.0.0.1:#{port}"

        answer = "GET /one 0 200 1\nGET /two 0 200 0\n"
        shown = ["-w", " %{http_code} %{num_connects}\n"]
        assert curl(shown ++ [url <> "/one", url <> "/two"]) == answer

        file = Path.join(System.tmp_dir!(), "py-curl-#{System.unique_integer([:positive])}")
        File.write!(file, :binary.copy("x", 1_000_000))
        assert curl(["--data-binary", "@" <> file, url <> "/up"]) == "POST /up 1000000"
        File.rm!(file)
        assert Task.await(accept) == [:ok, :ok]
      end

      test "the guide's server runs, and serves requests of its context", %{context: context} do
        code = """
        import socket
        from erlang.reactor import Protocol, serve

        class EchoProtocol(Protocol):
            def data_received(self, data):
                self.write(data)
                return "continue"

        sock = socket.create_server(("127.0.0.1", 0))
        sock.getsockname()[1]
        """

        assert {:ok, port} = Context.eval(context, code)
        # In a context's namespace, names that an `eval` assigns are left.
        task = Task.async(fn -> Context.exec(context, "serve(sock, EchoProtocol)") end)
        clients = for _ <- 1..20, do: connect(port)
        for client <- clients, do: assert(echo(client, "hello") == "hello")
        assert Context.eval(context, "1 + 1") == {:ok, 2}
        assert {:ok, nil} = Context.call(context, "erlang.reactor", :stop)
        assert Task.await(task, 20_000) == :ok
        for client <- clients, do: assert(receive_all(client) == "")
        assert {:ok, ^port} = Context.eval(context, "sock.getsockname()[1]")
      end

      test "datagrams keep their boundaries, and each sender gets its answer", %{context: context} do
        reactor = start(context, "Echo")
        options = [:binary, active: false, buffer: 65_536, recbuf: 1_000_000]
        open = fn -> elem({:ok, _} = :gen_udp.open(0, [{:ip, {127, 0, 0, 1}} | options]), 1) end
        server = open.()
        {:ok, port} = :inet.port(server)
        assert Reactor.handoff(reactor, server, %{type: :udp}) == :ok
        :ok = :gen_udp.close(server)

        clients = for _ <- 1..2, do: open.()
        messages = ["one", "", :binary.copy("x", 60_000)]

        for data <- messages, client <- clients do
          :ok = :gen_udp.send(client, {127, 0, 0, 1}, port, data)
        end

        for client <- clients, data <- messages do
          assert {:ok, {_address, ^port, ^data}} = :gen_udp.recv(client, 0, 20_000)
        end
      end

      test "Unix sockets and pipes are read and written", %{context: context} do
        code = """
        import os, socket
        from erlang.reactor import run_fd

        class Copy(Protocol):
            def data_received(self, data):
                os.write(self.client_info["to"], data)
            def connection_lost(self):
                os.close(self.client_info["to"])

        class Words(Protocol):
            def connection_made(self, fd, client_info):
                self.write(b"words")
                return "close"

        from_a, to_a = os.pipe()
        from_b, to_b = os.pipe()
        os.write(to_a, b"through a pipe")
        os.close(to_a)
        run_fd(from_a, Copy, {"to": to_b})
        copied = os.read(from_b, 100)
        os.close(from_a)
        os.close(from_b)

        from_c, to_c = os.pipe()
        run_fd(to_c, Words)
        os.close(to_c)
        words = os.read(from_c, 100)
        os.close(from_c)
        copied + b" " + words
        """

        assert Context.eval(context, code) == {:ok, "through a pipe words"}

        path = Path.join(System.tmp_dir!(), "py-#{System.unique_integer([:positive])}")
        {:ok, listener} = :gen_tcp.listen(0, [:binary, active: false, ip: {:local, path}])
        reactor = start(context, "Echo")
        # A socket that listens is accepted from.
        assert Reactor.handoff(reactor, listener, %{}) == :ok
        :ok = :gen_tcp.close(listener)
        {:ok, client} = :gen_tcp.connect({:local, path}, 0, [:binary, active: false])
        assert echo(client, "hello") == "hello"
        File.rm!(path)
      end

      test "a protocol says what comes next", %{context: context} do
        client = told(start(context, "Told"))
        assert_receive {:told, "made", fd}, 20_000
        :ok = :gen_tcp.send(client, "pages")
        assert receive_bytes(client, 11) == "onetwothree"
        for _ <- 1..4, do: assert_receive({:told, "ready"}, 20_000)
        :ok = :gen_tcp.send(client, "wait")
        assert_receive {:told, "data", "wait"}, 20_000
        # What comes meanwhile is not read.
        :ok = :gen_tcp.send(client, "echo again")
        signal = fn -> Context.call(context, "erlang.reactor", :signal_write_ready, [fd]) end
        assert signal.() == {:ok, true}
        assert receive_bytes(client, 10) == "lateragain"
        :ok = :gen_tcp.send(client, "close")
        assert receive_all(client) == "bye"
        assert_receive {:told, "lost"}, 20_000
        assert eventually(fn -> signal.() == {:ok, false} end)
      end

      test "threads work for a protocol, and signal when they are done", %{context: context} do
        code = """
        import threading

        class Slow(Protocol):
            def data_received(self, data):
                def work():
                    self.answer = data.upper()
                    self.signal_write_ready()
                threading.Thread(target=work).start()
                return "async_pending"

            def write_ready(self):
                self.write(self.answer)
                return "read_pending"
        """

        :ok = Context.exec(context, code)
        client = hand_off(start(context, "Slow"))
        for n <- 1..20, do: assert(echo_as(client, "request #{n}") == "REQUEST #{n}")
      end

      test "a late signal does not reach the next connection with the same number", %{
        context: context
      } do
        code = """
        from erlang.reactor import signal_write_ready

        class Kept(Told):
            def connection_made(self, fd, client_info):
                super().connection_made(fd, client_info)
                kept.append((fd, self.fd, self))
        kept = []
        """

        :ok = Context.exec(context, code)
        reactor = start(context, "Kept")
        {client, fd} = next_with_same_number(reactor)
        :ok = :gen_tcp.send(client, "wait")
        assert_receive {:told, "data", "wait"}, 20_000

        late =
          "[signal_write_ready(kept[-2][0]), signal_write_ready(kept[-2][1]), " <>
            "kept[-2][2].signal_write_ready()]"

        assert Context.eval(context, late) == {:ok, [false, false, false]}
        # Once for the one that is meant, and no more.
        assert Context.eval(context, "signal_write_ready(kept[-1][1])") == {:ok, true}
        assert receive_bytes(client, 5) == "later"
        for _ <- 1..2, do: assert_receive({:told, "ready"}, 20_000)
        :ok = :gen_tcp.send(client, "wait")
        assert_receive {:told, "data", "wait"}, 20_000
        # A plain number is whoever has it now.
        assert Context.call(context, "erlang.reactor", :signal_write_ready, [fd]) == {:ok, true}
        assert receive_bytes(client, 5) == "later"
      end

      test "a protocol that closes its own descriptor harms nobody but its connection", %{
        context: context
      } do
        code = """
        import os, socket

        class Careless(Told):
            def data_received(self, data):
                if bytes(data) == b"close":
                    os.close(self.fd)
                    self.tell("closed", self.fd)
                elif bytes(data) == b"collect":
                    socket.socket(fileno=self.fd)
                    self.tell("closed", self.fd)
                    return "close"
                else:
                    return super().data_received(data)
        """

        :ok = Context.exec(context, code)
        reactor = start(context, "Careless")
        good = told(reactor)
        assert_receive {:told, "made", _fd}, 20_000

        log =
          capture_log(fn ->
            for {command, more} <- [{"close", ""}, {"collect", ""}, {"close", "more"}] do
              {client, accepted} = pair()
              :ok = Reactor.handoff(reactor, accepted, %{pid: self()})
              # As long as Erlang has the connection as well, it goes on to be told of.
              if more == "", do: :ok = :gen_tcp.close(accepted)
              :ok = :gen_tcp.send(client, command)
              assert_receive {:told, "closed", fd}, 20_000
              {path, file} = file_with_number(context, fd)
              if more != "", do: :ok = :gen_tcp.send(client, more)
              assert_receive {:told, "lost"}, 20_000
              :ok = :gen_tcp.close(accepted)
              assert receive_all(client) == ""

              assert eventually(fn -> match?({:ok, %{connections: 1}}, Reactor.stats(reactor)) end)

              assert :file.write(file, "untouched") == :ok
              assert File.read(path) == {:ok, "untouched"}
              :ok = :file.close(file)
              File.rm!(path)
            end
          end)

        assert log =~ "a protocol calls self.close()"
        :ok = :gen_tcp.send(good, "echo fine")
        assert receive_bytes(good, 4) == "fine"
        assert {:ok, %{errors: 3, total: 4}} = Reactor.stats(reactor)
      end

      test "an exception closes its own connection and no other", %{context: context} do
        reactor = start(context, "Told")
        [good, bad, worse] = for _ <- 1..3, do: told(reactor)
        :ok = :gen_tcp.send(bad, "raise on purpose")
        :ok = :gen_tcp.send(worse, "answer")
        assert receive_all(bad) == ""
        assert receive_all(worse) == ""
        :ok = :gen_tcp.send(good, "echo fine")
        assert receive_bytes(good, 4) == "fine"
        assert {:ok, %{errors: 2, total: 3}} = Reactor.stats(reactor)
      end

      test "who takes no answers is asked no more, and gets all in the end", %{context: context} do
        reactor = start(context, "Echo")
        client = hand_off(reactor)
        data = :crypto.strong_rand_bytes(30_000_000)
        sender = Task.async(fn -> :gen_tcp.send(client, data) end)
        # Both ends' buffers fill up, and then nothing moves.
        assert eventually(fn -> still?(reactor) end)
        assert {:ok, %{received: received}} = Reactor.stats(reactor)
        assert received < 30_000_000
        assert receive_bytes(client, 30_000_000) == data
        assert Task.await(sender) == :ok
      end

      test "the end of a reactor ends its connections", %{context: context} do
        reactor = start(context, "Told")
        client = told(reactor)
        assert_receive {:told, "made", _fd}, 20_000
        assert Reactor.stop(reactor) == :ok
        assert_receive {:told, "lost"}
        assert receive_all(client) == ""
        assert Reactor.handoff(reactor, 1, %{}) == {:error, :closed}
        assert Context.eval(context, "1 + 1") == {:ok, 2}

        {:ok, own} = Reactor.start_link(mode: unquote(mode), setup: protocols(), protocol: "Echo")
        client = hand_off(own)
        assert echo(client, "hello") == "hello"
        Process.unlink(own)
        kill(own)
        assert receive_all(client) == ""
      end
    end
  end

  defp start(context, protocol) do
    opts = [context: context, protocol: protocol]
    start_supervised!(Supervisor.child_spec({Reactor, opts}, id: make_ref(), restart: :temporary))
  end

  # A connection whose descriptor has the number of the one before. Others open some, too, so it
  # may take more than one attempt.
  defp next_with_same_number(reactor) do
    first = told(reactor)
    assert_receive {:told, "made", number}, 20_000
    {second, accepted} = pair()
    :ok = :gen_tcp.close(first)
    assert_receive {:told, "lost"}, 20_000
    assert eventually(fn -> match?({:ok, %{connections: 0}}, Reactor.stats(reactor)) end)
    :ok = Reactor.handoff(reactor, accepted, %{pid: self()})
    :ok = :gen_tcp.close(accepted)
    assert_receive {:told, "made", next}, 20_000

    if next == number do
      {second, number}
    else
      :ok = :gen_tcp.close(second)
      assert_receive {:told, "lost"}, 20_000
      next_with_same_number(reactor)
    end
  end

  # A file that the BEAM has opened, whose descriptor has that number.
  defp file_with_number(context, number) do
    path = Path.join(System.tmp_dir!(), "py-#{System.unique_integer([:positive])}")
    {:ok, file} = :file.open(path, [:raw, :write, :exclusive])
    inode = File.stat!(path).inode

    case Context.eval(context, "__import__('os').fstat(number).st_ino", %{number: number}) do
      {:ok, ^inode} ->
        {path, file}

      # Another number was free as well, and is not after this.
      {_other, _answer} ->
        found = file_with_number(context, number)
        :ok = :file.close(file)
        File.rm!(path)
        found
    end
  end

  defp told(reactor), do: hand_off(reactor, %{pid: self()})

  defp assert_echo(client, size) do
    data = :crypto.strong_rand_bytes(size)
    assert echo(client, data) == data
  end

  defp echo_as(client, data) do
    :ok = :gen_tcp.send(client, data)
    receive_bytes(client, byte_size(data))
  end

  defp accept(reactor, listener) do
    {:ok, accepted} = :gen_tcp.accept(listener)
    :ok = Reactor.handoff(reactor, accepted, %{type: :tcp})
    :ok = :gen_tcp.close(accepted)
  end

  defp get(url), do: answer(:httpc.request(:get, {url, []}, [], body_format: :binary))
  defp answer({:ok, {{_version, status, _text}, _headers, body}}), do: {status, body}

  defp curl(args) do
    {output, 0} = System.cmd("curl", ["--silent", "--show-error", "--max-time", "20" | args])
    output
  end

  # Has it read nothing for a moment?
  defp still?(reactor) do
    {:ok, %{received: before}} = Reactor.stats(reactor)
    receive after: (50 -> :ok)
    {:ok, %{received: now}} = Reactor.stats(reactor)
    before > 0 and now == before
  end
end
