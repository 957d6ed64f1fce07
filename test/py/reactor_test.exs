defmodule Py.ReactorTest do
  # Descriptors are the whole process's, so that others would be counted too.
  use Py.Case, async: false

  import ExUnit.CaptureLog
  import Bitwise
  import Py.Connections

  alias Py.{Context, Error, Reactor}

  defp start(opts \\ []) do
    opts = Keyword.merge([setup: protocols(), protocol: "Echo"], opts)
    spec = Supervisor.child_spec({Reactor, opts}, id: make_ref(), restart: :temporary)
    start_supervised!(spec)
  end

  defp context(reactor), do: :sys.get_state(reactor).context

  # What a test opens and closes again is gone a moment later, when all sides have noticed. So the
  # first count may be a few too high, but not by as many as five rounds would leave.
  defp same_descriptors(fun) do
    fun.()
    before = descriptors()
    for _ <- 1..5, do: fun.()
    assert eventually(fn -> descriptors() <= before end)
  end

  describe "start_link/1" do
    test "finds protocols in modules and in what setup defines" do
      Process.flag(:trap_exit, true)
      assert {:ok, _pid} = Reactor.start_link(protocol: "erlang.reactor.Protocol")
      assert {:ok, _pid} = Reactor.start_link(protocol: {:"erlang.reactor", :Protocol})
      assert {:error, %Error{type: "ModuleNotFoundError"}} = Reactor.start_link(protocol: "no.X")
      assert {:error, %Error{type: "NameError"}} = Reactor.start_link(protocol: "Nobody")

      assert {:error, %Error{type: "TypeError"}} =
               Reactor.start_link(setup: "x = 1", protocol: "x")

      assert {:error, %Error{type: "SyntaxError"}} = Reactor.start_link(setup: "x =")
      assert {:error, %Py.ContextError{reason: :not_found}} = Reactor.start_link(context: :nobody)
      assert {:error, %Py.StartError{}} = Reactor.start_link(mode: :nonsense)
    end

    test "takes a name, and refuses options it does not know" do
      start(name: __MODULE__.Named)
      client = hand_off(__MODULE__.Named)
      assert echo(client, "hello") == "hello"
      assert {:ok, %{connections: 1}} = Reactor.stats(__MODULE__.Named)

      assert_raise ArgumentError, ~r/:port is not an option/, fn ->
        Reactor.start_link(port: 80)
      end
    end

    test "is restarted by its supervisor when its context ends" do
      opts = [setup: protocols(), protocol: "Echo", name: __MODULE__.Restarted]
      {:ok, supervisor} = Supervisor.start_link([{Reactor, opts}], strategy: :one_for_one)
      pid = GenServer.whereis(__MODULE__.Restarted)
      monitor = Process.monitor(pid)
      client = hand_off(pid)
      kill(context(pid))
      assert_receive {:DOWN, ^monitor, :process, ^pid, _reason}, 20_000
      assert receive_all(client) == ""
      assert eventually(fn -> match?({:ok, _stats}, Reactor.stats(__MODULE__.Restarted)) end)
      assert echo(hand_off(__MODULE__.Restarted), "again") == "again"
      Supervisor.stop(supervisor)
    end
  end

  describe "handoff/3" do
    test "refuses what is no descriptor, or none to wait for" do
      reactor = start()
      {client, accepted} = pair()
      {:ok, fd} = :inet.getfd(accepted)
      :ok = :gen_tcp.close(accepted)
      assert receive_all(client) == ""

      for bad <- [fd, -1, 99_999, 1 <<< 40, accepted],
          do: assert(Reactor.handoff(reactor, bad, %{}) == {:error, :ebadf})

      code = "import os\nos.open(os.devnull, os.O_RDONLY), os.open('.', os.O_RDONLY)"
      {:ok, {null, folder}} = Py.eval(code)
      assert Reactor.handoff(reactor, folder, %{}) == {:error, :enotsup}
      for fd <- [null, folder], do: {:ok, nil} = Py.call(:os, :close, [fd])
      assert {:ok, %{connections: 0, total: 0}} = Reactor.stats(reactor)
      assert_raise ArgumentError, fn -> Py.Native.reactor_handoff(reactor, "1", %{}) end
    end

    test "leaves the descriptor its owner's, unless Py.dup_fd has made it" do
      reactor = start()

      same_descriptors(fn ->
        {client, accepted} = pair()
        {:ok, fd} = :inet.getfd(accepted)
        {:ok, duplicate} = Py.dup_fd(fd)
        assert duplicate != fd
        assert Reactor.handoff(reactor, duplicate, %{}) == :ok
        assert Reactor.handoff(reactor, duplicate, %{}) == {:error, :eexist}
        assert {:ok, ^fd} = :inet.getfd(accepted)
        :ok = :gen_tcp.close(accepted)
        assert echo(client, "hello") == "hello"
        :ok = :gen_tcp.close(client)
      end)
    end

    test "steals no descriptor that has got a duplicate's number" do
      reactor = start()
      {_client, accepted} = pair()
      {:ok, fd} = :inet.getfd(accepted)
      {:ok, duplicate} = Py.dup_fd(fd)
      # Python closes it, and its number goes to another socket.
      code = """
      import os, socket
      one, two = socket.socketpair()
      os.dup2(one.fileno(), fd)
      one.close()
      reused = socket.socket(fileno=fd)
      """

      context = start_context()
      :ok = Context.exec(context, "fd = #{duplicate}\n" <> code)
      assert Reactor.handoff(reactor, duplicate, %{}) == :ok
      code = "two.sendall(b'hello'); two.recv(5), reused.fileno()"
      assert Context.eval(context, code) == {:ok, {"hello", duplicate}}
      assert {:ok, _stat} = Context.eval(context, "os.fstat(fd).st_mode")
    end

    test "gives a duplicate up even if it is refused" do
      same_descriptors(fn ->
        {client, accepted} = pair()
        {:ok, fd} = :inet.getfd(accepted)

        for gone <- [:nobody, spawn(fn -> :ok end)] do
          {:ok, duplicate} = Py.dup_fd(fd)
          assert Reactor.handoff(gone, duplicate, %{}) == {:error, :closed}
        end

        # Nobody has hung up.
        :ok = :gen_tcp.send(accepted, "hello")
        assert receive_bytes(client, 5) == "hello"
        Enum.each([client, accepted], &:gen_tcp.close/1)
      end)
    end

    test "answers busy with as many connections as there may be, until one ends" do
      reactor = start(max_connections: 2)
      [first, second] = for _ <- 1..2, do: hand_off(reactor)
      {third, accepted} = pair()
      assert Reactor.handoff(reactor, accepted, %{}) == {:error, :busy}
      :ok = :gen_tcp.close(first)
      assert eventually(fn -> Reactor.handoff(reactor, accepted, %{}) == :ok end)
      for client <- [second, third], do: assert(echo(client, "hello") == "hello")
    end

    test "has a listening socket accepted from, and waits for room when there is none" do
      reactor = start(max_connections: 4)
      {listener, port} = listen()
      assert Reactor.handoff(reactor, listener, %{}) == :ok
      clients = for _ <- 1..6, do: connect(port)
      {now, later} = Enum.split(clients, 3)
      for client <- now, do: assert(echo(client, "hello") == "hello")
      assert {:ok, %{connections: 4}} = Reactor.stats(reactor)
      Enum.each(now, &:gen_tcp.close/1)
      for client <- later, do: assert(echo(client, "hello") == "hello")
    end

    test "logs what has no protocol, or whose factory makes none" do
      log =
        capture_log(fn ->
          for opts <- [[], [setup: "from erlang.reactor import *\nset_protocol_factory(object)"]] do
            {:ok, reactor} = Reactor.start_link(opts)
            client = hand_off(reactor)
            assert receive_all(client) == ""
            assert eventually(fn -> match?({:ok, %{errors: 1}}, Reactor.stats(reactor)) end)
            assert {:ok, %{connections: 0}} = Reactor.stats(reactor)
            :ok = Reactor.stop(reactor)
          end
        end)

      assert log =~ "set_protocol_factory in its context"
      assert log =~ "makes instances of erlang.reactor.Protocol"
    end
  end

  describe "handoff/2" do
    test "goes to the reactor with the fewest connections of those that share" do
      {client, accepted} = pair()
      assert Reactor.handoff(accepted, %{}) == {:error, :not_found}
      reactors = for _ <- 1..2, do: start()
      apart = start(shared: false)
      assert Reactor.handoff(accepted, %{}) == :ok

      clients =
        for _ <- 1..9 do
          {client, accepted} = pair()
          :ok = Reactor.handoff(accepted, %{})
          client
        end

      for client <- [client | clients], do: assert(echo(client, "hello") == "hello")
      for reactor <- reactors, do: assert({:ok, %{connections: 5}} = Reactor.stats(reactor))
      assert {:ok, %{total: 0}} = Reactor.stats(apart)
    end
  end

  describe "a connection" do
    test "that is reset is lost, and no other" do
      reactor = start(protocol: "Told")
      [good, bad] = for _ <- 1..2, do: hand_off(reactor, %{pid: self()})
      :ok = :inet.setopts(bad, linger: {true, 0})
      :ok = :gen_tcp.close(bad)
      assert_receive {:told, "lost"}, 20_000
      :ok = :gen_tcp.send(good, "echo fine")
      assert receive_bytes(good, 4) == "fine"
      assert {:ok, %{connections: 1, errors: 0}} = Reactor.stats(reactor)
    end

    test "that is half closed still gets its answer" do
      reactor = start()
      client = hand_off(reactor)
      data = :crypto.strong_rand_bytes(5_000_000)

      Task.async(fn ->
        :ok = :gen_tcp.send(client, data)
        :ok = :gen_tcp.shutdown(client, :write)
      end)

      assert receive_all(client) == data
    end

    test "takes no more than there is room for" do
      reactor = start(protocol: "Told", max_write_buffer: 1_000_000)
      client = hand_off(reactor, %{pid: self()})
      :ok = :gen_tcp.send(client, "flood")
      assert_receive {:told, "full", 15, text}, 20_000
      assert text =~ "983040 bytes wait to be written already: return 'write_pending'"
      assert byte_size(receive_all(client)) == 15 * 65_536
    end

    test "is found by its descriptor, and its protocol knows its peer" do
      reactor = start(protocol: "Told")
      client = hand_off(reactor, %{pid: self(), type: :tcp})
      assert_receive {:told, "made", fd}, 20_000
      {:ok, {_address, port}} = :inet.sockname(client)

      code = """
      from erlang.reactor import get_protocol
      it = get_protocol(fd)
      it.fd, it.peer, it.client_info["type"], it.write_buffer_size, type(it).__name__, get_protocol(0)
      """

      assert Py.eval(code, %{fd: fd}, context: context(reactor)) ==
               {:ok, {fd, {"127.0.0.1", port}, :tcp, 0, "Told", nil}}

      # Once closed, it says so.
      :ok =
        Context.exec(context(reactor), "from erlang.reactor import *\nit = get_protocol(#{fd})")

      :ok = :gen_tcp.close(client)
      assert_receive {:told, "lost"}, 20_000
      write = fn -> Context.eval(context(reactor), "it.write(b'x')") end
      assert eventually(fn -> match?({:error, %Error{type: "BrokenPipeError"}}, write.()) end)

      assert Context.eval(context(reactor), "it.close(), it.signal_write_ready()") ==
               {:ok, {nil, false}}
    end

    test "gives its data as bytes, which need no copy to be looked into" do
      code = """
      class Looks(Protocol):
          def data_received(self, data):
              view = memoryview(data)
              found = (type(data) is bytes, view[:4].tobytes(), data.find(b"b"),
                       data.startswith(b"a"), data.split(b","), data[2:].decode(), len(view))
              erlang.send(self.client_info["pid"], found)
      """

      reactor = start(setup: protocols() <> code, protocol: "Looks")
      client = hand_off(reactor, %{pid: self()})
      :ok = :gen_tcp.send(client, "a,b,c")
      assert_receive {true, "a,b,", 2, true, ["a", "b", "c"], "b,c", 5}, 20_000
    end
  end

  test "ten thousand connections leave nothing behind" do
    reactor = start()

    open_and_drop = fn count ->
      listening = listen()

      1..count
      |> Task.async_stream(
        fn _ ->
          # The listener hands out one connection after the other, to whoever asks.
          {client, accepted} = pair(listening)
          :ok = Reactor.handoff(reactor, accepted, %{type: :tcp})
          :ok = :gen_tcp.close(accepted)
          :gen_tcp.send(client, "x")
          :inet.setopts(client, linger: {true, 0})
          :gen_tcp.close(client)
        end,
        max_concurrency: 50,
        timeout: 60_000
      )
      |> Stream.run()

      :ok = :gen_tcp.close(elem(listening, 0))
      assert eventually(fn -> match?({:ok, %{connections: 0}}, Reactor.stats(reactor)) end)
    end

    open_and_drop.(100)
    before = descriptors()
    open_and_drop.(10_000)
    assert eventually(fn -> descriptors() <= before end)
    assert {:ok, %{total: 10_100, errors: 0}} = Reactor.stats(reactor)

    assert Context.eval(context(reactor), "__import__('erlang.reactor').reactor._protocols") ==
             {:ok, %{}}
  end

  test "a reactor that ends, however it does, closes its connections and descriptors" do
    Process.flag(:trap_exit, true)

    ends = [
      fn reactor -> Reactor.stop(reactor) end,
      fn reactor -> kill(reactor) end,
      fn reactor -> kill(context(reactor)) end,
      fn reactor -> Context.interrupt(context(reactor)) end,
      fn reactor -> Context.call(context(reactor), "erlang.reactor", :stop) end
    ]

    for close <- ends do
      same_descriptors(fn ->
        {:ok, reactor} = Reactor.start_link(setup: protocols(), protocol: "Echo")
        monitor = Process.monitor(reactor)
        clients = for _ <- 1..5, do: hand_off(reactor)
        for client <- clients, do: assert(echo(client, "hello") == "hello")
        close.(reactor)
        assert_receive {:DOWN, ^monitor, :process, ^reactor, _reason}, 20_000
        for client <- clients, do: assert(receive_all(client) == "")
        assert {:error, :closed} = Reactor.stats(reactor)
        assert Reactor.stop(reactor) == :ok
      end)
    end
  end

  test "requests are served meanwhile, and a timeout of theirs stops no reactor" do
    reactor = start()
    client = hand_off(reactor)
    assert Py.eval("1 + 1", %{}, context: context(reactor)) == {:ok, 2}

    assert {:error, %Py.ContextError{reason: :timeout}} =
             Py.exec("while True: pass", context: context(reactor), timeout: 20)

    assert echo(client, "hello") == "hello"
  end

  test "serving contexts share a listening socket" do
    {listener, port} = listen()
    {:ok, fd} = :inet.getfd(listener)
    contexts = for _ <- 1..2, do: start_context()
    code = protocols() <> "\nfrom erlang.reactor import serve\n"
    for context <- contexts, do: :ok = Context.exec(context, code)

    tasks =
      for context <- contexts,
          do: Task.async(fn -> Context.exec(context, "serve(#{fd}, Echo)") end)

    clients = for _ <- 1..50, do: connect(port)
    for client <- clients, do: assert(echo(client, "hello") == "hello")

    for {context, task} <- Enum.zip(contexts, tasks) do
      assert {:ok, nil} = Context.call(context, "erlang.reactor", :stop)
      assert Task.await(task) == :ok
    end

    # The listener is still Erlang's.
    assert {_client, _accepted} = pair({listener, port})
  end

  test "the guide's hand-off works word for word" do
    start()
    {listener, port} = listen()
    client = connect(port)
    {:ok, client_sock} = :gen_tcp.accept(listener)
    {:ok, fd} = :inet.getfd(client_sock)
    {:ok, dup_fd} = :py.dup_fd(fd)
    :ok = :py_reactor_context.handoff(dup_fd, %{type: :tcp})
    :ok = :gen_tcp.close(client_sock)
    assert echo(client, "hello") == "hello"
    :ok = :gen_tcp.close(client)

    client = connect(port)
    {:ok, client_sock} = :gen_tcp.accept(listener)
    {:ok, fd} = :inet.getfd(client_sock)
    {:ok, dup_fd} = :py.dup_fd(fd)
    ctx = start_context()

    handler = """
    import asyncio, erlang, socket
    def handle_fd(fd):
        sock = socket.socket(fileno=fd)
        sock.setblocking(False)
        async def main():
            loop = asyncio.get_running_loop()
            with sock:
                await loop.sock_sendall(sock, await loop.sock_recv(sock, 100))
        erlang.run(main())
    """

    :ok = Context.exec(ctx, handler)
    :ok = :gen_tcp.send(client, "asyncio")
    assert {:ok, :none} = :py.call(ctx, :__main__, :handle_fd, [dup_fd])
    :ok = :gen_tcp.close(client_sock)
    assert receive_all(client) == "asyncio"
  end
end
