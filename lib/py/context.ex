defmodule Py.Context do
  @moduledoc """
  A context: a Python interpreter with its namespace, its queue and its own thread.

  What one request defines the next one sees, whichever process sends it, and requests run one
  after the other in the order they came. Contexts share nothing with each other.

  A context is a process, to be supervised and named like any other. The process owns the
  interpreter's life and death but stands in no request's way: requests go from the caller
  straight to the Python thread.

  ## Options

  #{Py.Options.docs(:context)}
  ## Example

      {:ok, context} = Py.Context.start_link(name: MyApp.Python)
      :ok = Py.Context.exec(context, "def double(x): return 2 * x")
      {:ok, 42} = Py.Context.call(context, :__main__, :double, [21])
      {:ok, 42} = Py.eval("double(21)", %{}, context: MyApp.Python)

  Under a supervisor:

      children = [{Py.Context, name: MyApp.Python}]

  """

  use GenServer

  import Py.Verbs.Twins

  require Logger

  alias Py.Context.{Look, Preparation, Remote}
  alias Py.{ContextError, Mistake, Mode, Native, Options, Request, StartError, Telemetry}

  @typedoc "A pid, here or on another node, or a registered name"
  @type context :: GenServer.server()

  # Long enough to end an interpreter with work in flight, short of a supervisor's patience. An
  # interpreter that takes longer is left to its thread, which ends it when it can.
  @close_timeout 5_000

  @doc false
  def child_spec(opts) do
    id = Keyword.get(opts, :id) || Keyword.get(opts, :name) || __MODULE__
    %{id: id, start: {__MODULE__, :start_link, [opts]}, shutdown: 2 * @close_timeout}
  end

  @doc """
  Opens a context linked to the calling process.

      {:ok, context} = Py.Context.start_link(mode: :auto)

  """
  @spec start_link(keyword) :: {:ok, pid} | {:error, Exception.t() | {:already_started, pid}}
  def start_link(opts \\ []) do
    options = Options.parse!(:context, opts)
    # Asked before there is a process, so that a wrong mode is an answer and not an exit.
    with {:ok, mode} <- Mode.fetch(options.mode),
         do: GenServer.start_link(__MODULE__, %{options | mode: mode.name}, named(options.name))
  end

  @doc """
  Opens a context under this application's supervisor, to live until `stop/1`.

      {:ok, context} = Py.Context.new(mode: :auto)

  """
  @spec new(keyword) :: {:ok, pid} | {:error, Exception.t() | {:already_started, pid}}
  def new(opts \\ []) do
    spec = Supervisor.child_spec({__MODULE__, opts}, restart: :temporary)
    DynamicSupervisor.start_child(Py.ContextSupervisor, spec)
  end

  @doc """
  Like `new/1`, but answers with the context and raises the error.

      context = Py.Context.new!(mode: :auto)

  """
  deftwin new!(opts :: keyword \\ []) :: pid

  @doc """
  Closes a context. Requests still waiting are answered `:closed`.

      :ok = Py.Context.stop(context)

  """
  @spec stop(context) :: :ok
  def stop(context) do
    GenServer.stop(context, :normal, :infinity)
  catch
    :exit, _already_gone -> :ok
  end

  @doc """
  Calls a function in this context, like `Py.call/4`.

      {:ok, 4.0} = Py.Context.call(context, :math, :sqrt, [16])

  """
  @spec call(context, atom | binary, atom | binary, list, keyword) :: Request.result()
  def call(context, module, function, args \\ [], opts \\ []),
    do: Request.call(module, function, args, opts ++ [context: context])

  @doc """
  Like `call/5`, but answers with the value and raises the error.

      4.0 = Py.Context.call!(context, :math, :sqrt, [16])

  """
  deftwin call!(
            context :: context,
            module :: atom | binary,
            function :: atom | binary,
            args :: list \\ [],
            opts :: keyword \\ []
          ) :: term

  @doc """
  The same with the keyword arguments as an argument of their own.

      {:ok, [2, 1]} = Py.Context.call(context, :builtins, :sorted, [[1, 2]], [reverse: true], [])

  """
  @spec call(context, atom | binary, atom | binary, list, keyword | map, keyword) ::
          Request.result()
  def call(context, module, function, args, kwargs, opts),
    do: call(context, module, function, args, opts ++ [kwargs: kwargs])

  @doc "Like `call/6`, but answers with the value and raises the error."
  deftwin call!(
            context :: context,
            module :: atom | binary,
            function :: atom | binary,
            args :: list,
            kwargs :: keyword | map,
            opts :: keyword
          ) :: term

  @doc """
  Evaluates code in this context, like `Py.eval/3`.

      {:ok, 3} = Py.Context.eval(context, "a + b", %{a: 1, b: 2})

  """
  @spec eval(context, binary, map | keyword, keyword) :: Request.result()
  def eval(context, code, vars \\ %{}, opts \\ []),
    do: Request.eval(code, vars, opts ++ [context: context])

  @doc """
  Like `eval/4`, but answers with the value and raises the error.

      3 = Py.Context.eval!(context, "a + b", %{a: 1, b: 2})

  """
  deftwin eval!(
            context :: context,
            code :: binary,
            vars :: map | keyword \\ %{},
            opts :: keyword \\ []
          ) :: term

  @doc """
  Executes code in this context, like `Py.exec/2`.

      :ok = Py.Context.exec(context, "import json")

  """
  @spec exec(context, binary, keyword) :: :ok | {:error, Exception.t()}
  def exec(context, code, opts \\ []), do: Request.exec(code, opts ++ [context: context])

  @doc "Like `exec/3`, but raises the error."
  deftwin exec!(context :: context, code :: binary, opts :: keyword \\ []) :: :ok

  @doc """
  Calls a method of an object that lives in this context.

      {:ok, deque} = Py.Context.call(context, :collections, :deque, [[1, 2]])
      {:ok, 2} = Py.Context.call_method(context, deque, :pop, [])

  """
  @spec call_method(context, Py.Object.t(), atom | binary, list, keyword) :: Request.result()
  def call_method(context, object, method, args, opts \\ []) do
    options = Options.parse!(:object, opts)
    op = {:call_method, object, method, args, options.kwargs}
    Request.run(op, Map.put(options, :context, context), :term)
  end

  @doc "Like `call_method/5`, but answers with the value and raises the error."
  deftwin call_method!(
            context :: context,
            object :: Py.Object.t(),
            method :: atom | binary,
            args :: list,
            opts :: keyword \\ []
          ) :: term

  @doc """
  What a context is and does: `:mode`, `:execution_mode`, `:interp_id`, `:queue` (requests
  waiting), `:running`, `:request` (the id of what runs, or 0), `:busy` (microseconds the running
  request has taken so far, in steps of a few milliseconds), `:operation` (what it is, as in
  `"math.sqrt"` or `"eval: x + 1"`) and `:caller` (who asked for it), both of them `nil` while a
  call runs inline, `:objects` (handles held), `:served` (requests so far) and `:memory` (bytes
  allocated since it was opened, or `nil` without a `memory_limit:`).

      {:ok, %{queue: 0}} = Py.Context.info(context)

  """
  @spec info(context) :: {:ok, map} | {:error, ContextError.t()}
  def info(context) do
    case whereis(context) do
      pid when is_pid(pid) and node(pid) == node() -> Look.info(pid)
      nil -> {:error, %ContextError{reason: :not_found}}
      remote -> Remote.ask(remote, :info)
    end
  end

  @doc """
  Like `info/1`, but answers with the map and raises the error.

      %{queue: 0} = Py.Context.info!(context)

  """
  deftwin info!(context :: context) :: map

  @doc """
  Stops what runs in a context; its caller is answered `:interrupted`. Requests that wait go on.

  What cannot be stopped within the context's `grace:`, such as a call into C that does not
  return, costs the context: it is given up, and its supervisor opens another one.

      :ok = Py.Context.interrupt(context)

  """
  @spec interrupt(context) :: :ok | {:error, ContextError.t()}
  def interrupt(context) do
    case whereis(context) do
      pid when is_pid(pid) and node(pid) == node() -> local_interrupt(pid)
      nil -> {:error, %ContextError{reason: :not_found}}
      remote -> Remote.ask(remote, :interrupt)
    end
  end

  @doc "Like `interrupt/1`, but raises the error."
  deftwin interrupt!(context :: context) :: :ok

  @doc """
  Where the Python code of a context is right now, as text in Python's own form.

  It is for a context that seems to be stuck, and takes nothing from what runs there. It waits
  for up to `timeout` milliseconds: code in C that does not let go of its GIL cannot be looked
  behind, which is the error `:timeout`.

      {:ok, text} = Py.Context.stacktrace(context)

  """
  @spec stacktrace(context, pos_integer) :: {:ok, String.t()} | {:error, ContextError.t()}
  def stacktrace(context, timeout \\ 1_000) do
    case whereis(context) do
      pid when is_pid(pid) and node(pid) == node() -> Look.stack(pid, timeout)
      nil -> {:error, %ContextError{reason: :not_found}}
      remote -> Remote.ask(remote, {:stacktrace, timeout})
    end
  end

  @doc "Like `stacktrace/2`, but answers with the text and raises the error."
  deftwin stacktrace!(context :: context, timeout :: pos_integer \\ 1_000) :: String.t()

  ## The process

  @impl true
  def init(options) do
    # So that `terminate/2` runs when the supervisor asks, and the interpreter ends in order.
    Process.flag(:trap_exit, true)
    {tag, start} = {make_ref(), System.monotonic_time()}
    config = Map.take(options, [:max_queue, :memory_limit])

    with :ok <- Native.context_open(options.mode, config, tag),
         # First in its queue, before anybody who knows its name finds it open.
         :ok = Preparation.run(),
         :ok <- receive(do: ({^tag, opened} -> opened)) do
      facts = %{context: self(), name: options.name, mode: options.mode}
      duration = System.monotonic_time() - start
      Telemetry.execute([:py, :context, :start], %{duration: duration}, facts)
      {:ok, %{grace: options.grace, guests: %{}, abandoned?: false}}
    else
      {:error, text} -> {:stop, %StartError{reason: :initialisation_failed, details: text}}
    end
  end

  @impl true
  def handle_call(:info, _from, state), do: {:reply, Look.info(self()), state}

  def handle_call({:stacktrace, timeout}, _from, state),
    do: {:reply, Look.stack(self(), timeout), state}

  def handle_call(:interrupt, _from, state), do: {:reply, local_interrupt(self()), state}

  def handle_call(request, from, state) when elem(request, 0) == :request,
    do: {:noreply, %{state | guests: Remote.serve(state.guests, from, request)}}

  @impl true
  def handle_cast({:cast, op, info}, state) do
    Remote.serve_cast(op, info)
    {:noreply, state}
  end

  @impl true
  # Trapping exits must not make the context outlive the processes it is linked to.
  def handle_info({:EXIT, _pid, :normal}, state), do: {:noreply, state}
  def handle_info({:EXIT, _pid, reason}, state), do: {:stop, reason, state}

  def handle_info({:DOWN, monitor, :process, _pid, _reason}, state),
    do: {:noreply, %{state | guests: Remote.down(state.guests, monitor)}}

  # The native side has begun to stop a request.
  def handle_info({:interrupting, request}, state) do
    facts = %{context: self(), request: request}
    Telemetry.execute([:py, :context, :interrupt], %{count: 1}, facts)

    if state.grace != :infinity,
      do: Process.send_after(self(), {:grace_over, request}, state.grace)

    {:noreply, state}
  end

  def handle_info({:grace_over, request}, state) do
    case Native.context_info(self()) do
      {:ok, %{request: ^request}} -> {:stop, :stuck, abandon(state)}
      _ended -> {:noreply, state}
    end
  end

  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(reason, state) do
    Look.ended(self(), reason)
    unless state.abandoned?, do: close()
  end

  defp close do
    tag = make_ref()

    with :ok <- Native.context_close(self(), tag) do
      receive do
        {^tag, :closed} -> :ok
      after
        @close_timeout -> :ok
      end
    end
  end

  defp local_interrupt(pid) do
    case Native.context_interrupt(pid) do
      {:error, :not_found} -> {:error, %ContextError{reason: :closed}}
      _interrupting_or_idle -> :ok
    end
  end

  defp whereis(context) when is_pid(context) or is_atom(context) or is_tuple(context),
    do: GenServer.whereis(context)

  defp whereis(other), do: Mistake.context!(other)

  # Its thread cannot be ended from outside, only left to itself.
  defp abandon(state) do
    Logger.warning(
      "Python code in the context #{inspect(self())} was interrupted and has not ended within " <>
        "#{state.grace} ms. The context is given up and its thread abandoned; a supervisor " <>
        "opens another one. Such code is in a call into C that does not return, or catches " <>
        "every exception. #{Look.last(self())}"
    )

    :ok = Native.context_abandon(self())
    %{state | abandoned?: true}
  end

  defp named(nil), do: []
  defp named(name), do: [name: name]
end
