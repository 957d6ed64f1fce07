# How many requests does a reactor answer? An echo of 1 KiB, beside plain asyncio, gen_tcp and
# what the kernel takes by itself.

Code.require_file("support/bench.exs", __DIR__)
Code.require_file("support/reference.exs", __DIR__)

defmodule Bench.Reactor do
  @moduledoc false

  alias Bench.Reference

  @size 1_024
  @milliseconds 1_000
  @rounds 3

  @protocol """
  from erlang.reactor import Protocol, set_protocol_factory

  class Echo(Protocol):
      def data_received(self, data):
          self.write(data)
          return "continue"

  set_protocol_factory(Echo)
  """

  @asyncio """
  import asyncio
  import sys

  class Echo(asyncio.Protocol):
      def connection_made(self, transport):
          self.transport = transport

      def data_received(self, data):
          self.transport.write(data)

  async def main():
      server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
      print(server.sockets[0].getsockname()[1], flush=True)
      # Until the BEAM closes the pipe.
      await asyncio.to_thread(sys.stdin.read)

  asyncio.run(main())
  """

  def run do
    Bench.header("How many requests does a reactor answer?")
    Reference.load()

    servers = [
      {"Py.Reactor", reactor()},
      {"asyncio, by itself", asyncio()},
      {"gen_tcp", gen_tcp()},
      {"no Python, no process", Reference.echo_server()}
    ]

    for connections <- [1, 50] do
      # In turns, so that what else the machine does hits all of them.
      rates =
        for _ <- 1..@rounds, {name, port} <- servers do
          {name, Reference.echo(port, connections, @size, @milliseconds)}
        end

      best =
        for {name, _port} <- servers, do: {name, Enum.max(for {^name, rate} <- rates, do: rate)}

      {_name, plain} = List.keyfind(best, "asyncio, by itself", 0)
      head = ["#{connections} connection(s)", "requests/s", "x asyncio"]
      Bench.table(head, for({name, rate} <- best, do: row(name, rate, plain)))
    end
  end

  defp row(name, rate, plain), do: [name, Bench.number(rate), Bench.number(rate / plain, 2)]

  defp reactor do
    {:ok, reactor} = Py.Reactor.start_link(setup: @protocol)
    {listener, port} = listen()

    serve(listener, fn socket ->
      :ok = Py.Reactor.handoff(reactor, socket, %{type: :tcp})
      :ok = :gen_tcp.close(socket)
    end)

    port
  end

  # In an operating system process of its own, as it would run without us.
  defp asyncio do
    options = [:binary, args: ["-c", @asyncio], line: 100]
    python = Py.Runtime.python().executable
    server = Port.open({:spawn_executable, python}, options)
    receive do: ({^server, {:data, {:eol, port}}} -> String.to_integer(port))
  end

  defp gen_tcp do
    {listener, port} = listen()

    serve(listener, fn socket ->
      process = spawn(fn -> receive do: (:go -> echo(socket)) end)
      :ok = :gen_tcp.controlling_process(socket, process)
      send(process, :go)
    end)

    port
  end

  defp echo(socket) do
    with {:ok, data} <- :gen_tcp.recv(socket, 0),
         :ok <- :gen_tcp.send(socket, data),
         do: echo(socket)
  end

  defp listen do
    options = [:binary, active: false, nodelay: true, backlog: 1_024, ip: {127, 0, 0, 1}]
    {:ok, listener} = :gen_tcp.listen(0, options)
    {:ok, port} = :inet.port(listener)
    {listener, port}
  end

  defp serve(listener, accepted) do
    process = spawn_link(fn -> receive do: (:go -> accept(listener, accepted)) end)
    :ok = :gen_tcp.controlling_process(listener, process)
    send(process, :go)
  end

  defp accept(listener, accepted) do
    {:ok, socket} = :gen_tcp.accept(listener)
    accepted.(socket)
    accept(listener, accepted)
  end
end

Bench.Reactor.run()
