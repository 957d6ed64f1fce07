defmodule Py.Reactor do
  @moduledoc """
  A reactor: Python protocols on connections that the BEAM has accepted.

  The BEAM hands off a descriptor. From then on native code reads and writes it, outside of any
  process, and calls the functions of a Python object, its protocol, with what has come. See the
  guide "Reactors" for what a protocol can do.

  A reactor is a process, to be supervised and named like any other. It has a context of its own,
  or runs in the one it is given, and requests to that context are served between two rounds. When
  the reactor ends, however that happens, its connections close.

  ## Options

  #{Py.Options.docs(:reactor)}
  ## Example

      {:ok, reactor} =
        Py.Reactor.start_link(
          setup: \"\"\"
          from erlang.reactor import Protocol, set_protocol_factory

          class Echo(Protocol):
              def data_received(self, data):
                  self.write(data)
                  return "continue"

          set_protocol_factory(Echo)
          \"\"\"
        )

      {:ok, socket} = :gen_tcp.accept(listener)
      :ok = Py.Reactor.handoff(reactor, socket, %{type: :tcp})
      :ok = :gen_tcp.close(socket)

  Under a supervisor, several of them share the connections that `handoff/2` is given:

      children = [
        Supervisor.child_spec({Py.Reactor, protocol: "my_app.Web"}, id: :web_1),
        Supervisor.child_spec({Py.Reactor, protocol: "my_app.Web"}, id: :web_2)
      ]

  """

  use GenServer

  alias Py.{Context, Native, Options, Request}
  alias Py.Request.{Spawned, Waiting}

  @typedoc "A pid or a registered name"
  @type reactor :: GenServer.server()

  @typedoc "A descriptor's number, or a socket of `:gen_tcp`, `:gen_udp` or `:socket`"
  @type descriptor :: non_neg_integer | :inet.socket() | :socket.socket()

  @typedoc "A POSIX error, `:closed` (no such reactor), `:not_found` (none at all) or `:busy`"
  @type reason :: :inet.posix() | :closed | :not_found | :busy

  # Protocols hear that it is over, and a context of its own takes up to five seconds to end.
  @close_timeout 2_000
  @shutdown 10_000

  @doc false
  def child_spec(opts) do
    id = Keyword.get(opts, :id) || Keyword.get(opts, :name) || __MODULE__
    %{id: id, start: {__MODULE__, :start_link, [opts]}, shutdown: @shutdown}
  end

  @doc """
  Starts a reactor linked to the calling process.

  It answers once the protocol is found and `setup:` has run; what goes wrong there is the error.

      {:ok, reactor} = Py.Reactor.start_link(protocol: "my_app.Web", max_connections: 10_000)

  """
  @spec start_link(keyword) :: {:ok, pid} | {:error, Exception.t() | {:already_started, pid}}
  def start_link(opts \\ []) do
    options = Options.parse!(:reactor, opts)

    GenServer.start_link(
      __MODULE__,
      options,
      if(options.name, do: [name: options.name], else: [])
    )
  end

  @doc """
  Hands a connection off to a reactor on this node: the one with the fewest connections of those
  that are not `shared: false`.

      {:ok, fd} = :inet.getfd(socket)
      {:ok, duplicate} = Py.dup_fd(fd)
      :ok = Py.Reactor.handoff(duplicate, %{type: :tcp})
      :ok = :gen_tcp.close(socket)

  """
  @spec handoff(descriptor, term) :: :ok | {:error, reason}
  def handoff(descriptor, info),
    do: with_number(descriptor, &Native.reactor_handoff(:any, &1, info))

  @doc """
  Hands a connection off to this reactor.

  The descriptor is duplicated, so the socket it comes from may be closed or collected at once,
  and nothing more should be read from it. One that `Py.dup_fd/1` has made is taken over, and is
  closed even if the answer is an error. A socket that listens is accepted from.

  `info` is what the protocol finds in `client_info`.

      :ok = Py.Reactor.handoff(reactor, socket, %{type: :tcp, tenant: "acme"})

  The errors are `:closed` for a reactor that has ended, `:busy` when it has `max_connections:`,
  `:ebadf` for a number that is no open descriptor, `:enotsup` for one that cannot be waited for,
  such as a file's, and `:eexist` for one that a reactor has already.
  """
  @spec handoff(reactor, descriptor, term) :: :ok | {:error, reason}
  def handoff(reactor, descriptor, info) do
    pid = local(reactor)
    with_number(descriptor, &Native.reactor_handoff(pid, &1, info))
  end

  @doc """
  What a reactor has and has done: `:connections` open now, and since its start their number in
  `:total`, the bytes `:received` and `:sent`, and the `:errors` of its protocols.

      {:ok, %{connections: 3}} = Py.Reactor.stats(reactor)

  """
  @spec stats(reactor) :: {:ok, map} | {:error, :closed}
  def stats(reactor) do
    case local(reactor) do
      nil -> {:error, :closed}
      pid -> Native.reactor_stats(pid)
    end
  end

  @doc """
  Stops a reactor. What its connections have still to write is written as far as there is room,
  and their protocols hear that they are lost.

      :ok = Py.Reactor.stop(reactor)

  """
  @spec stop(reactor) :: :ok
  def stop(reactor) do
    GenServer.stop(reactor, :normal, :infinity)
  catch
    :exit, _already_gone -> :ok
  end

  ## The process

  @impl true
  def init(options) do
    # So that `terminate/2` runs when the supervisor asks, and the protocols hear of it.
    Process.flag(:trap_exit, true)

    with {:ok, state} <- open(options),
         :ok <- prepared(state, prepare(state.context, options)),
         do: run(state, options)
  end

  @impl true
  # The request in which the reactor runs is over before its time: an interrupt, or the context.
  def handle_info({tag, answer}, %{tag: tag} = state),
    do: {:stop, reason(answer), %{state | ticket: nil}}

  def handle_info({:EXIT, _pid, :normal}, state), do: {:noreply, state}
  def handle_info({:EXIT, _pid, reason}, state), do: {:stop, reason, state}
  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state) do
    :ok = Native.reactor_close(self())
    if state.ticket, do: wait(state)
    close(state)
  end

  # A context of its own is linked, so that neither outlives the other.
  defp open(%{context: nil} = options) do
    opts = options |> Map.take([:mode, :max_queue, :grace]) |> Map.to_list()

    case Context.start_link(opts) do
      {:ok, context} -> {:ok, %{context: context, own?: true, tag: make_ref(), ticket: nil}}
      {:error, error} -> {:stop, error}
    end
  end

  defp open(%{context: context}) do
    case Context.info(context) do
      {:ok, _info} -> {:ok, %{context: context, own?: false, tag: make_ref(), ticket: nil}}
      {:error, error} -> {:stop, error}
    end
  end

  defp prepare(context, options) do
    with :ok <- if(options.setup, do: Context.exec(context, options.setup), else: :ok),
         do: find(context, options.protocol)
  end

  defp find(_context, nil), do: :ok

  defp find(context, {module, name}) do
    with {:ok, nil} <-
           Context.call(context, "erlang.reactor", "_prepare", ["#{module}", "#{name}"]),
         do: :ok
  end

  defp find(context, path) do
    case path |> String.split(".") |> Enum.split(-1) do
      {[], [name]} -> find_defined(context, name)
      {modules, [name]} -> find(context, {Enum.join(modules, "."), name})
    end
  end

  # In the namespace that `setup:` has filled.
  defp find_defined(context, name) do
    with {:ok, factory} <- Context.eval(context, name, %{}, return: :object),
         {:ok, nil} <-
           Context.call(context, "erlang.reactor", :set_protocol_factory, [factory]),
         do: :ok
  end

  defp prepared(_state, :ok), do: :ok

  defp prepared(state, {:error, error}) do
    close(state)
    {:stop, error}
  end

  defp run(%{context: context, tag: tag} = state, options) do
    op = {:call, "erlang.reactor", "_attend", [self()], []}
    limits = Map.take(options, [:max_connections, :max_write_buffer, :shared])

    with :ok <- Native.reactor_open(limits),
         {:spawned, ticket} <-
           Spawned.submit(op, %{context: context, timeout: :infinity}, :term, tag) do
      {:ok, %{state | ticket: ticket}}
    else
      {:error, error} -> with :ok <- close(state), do: {:stop, error}
    end
  end

  # Protocols that take too long over it are interrupted.
  defp wait(%{tag: tag, ticket: ticket}) do
    receive do
      {^tag, _answer} -> :ok
    after
      @close_timeout -> Waiting.stop(ticket, tag)
    end
  end

  defp close(%{own?: true, context: context}), do: Context.stop(context)
  defp close(_state), do: :ok

  # `erlang.reactor.stop()`, called by a protocol.
  defp reason({:ok, _none}), do: :normal
  defp reason({:error, reason}), do: {:shutdown, Request.exception(reason)}

  defp local(reactor) do
    case GenServer.whereis(reactor) do
      pid when is_pid(pid) and node(pid) == node() -> pid
      _none_or_remote -> nil
    end
  end

  defp with_number(fd, fun) when is_integer(fd), do: fun.(fd)

  defp with_number(socket, fun) do
    case :inet.getfd(socket) do
      {:ok, fd} -> fun.(fd)
      {:error, _closed} -> {:error, :ebadf}
    end
  end
end
