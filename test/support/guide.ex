defmodule Py.Case.Guide do
  @moduledoc """
  Runs the snippets of the migration guide as they stand there: Erlang through the Erlang facade,
  with the names that are bound before; Python in files that contexts import, or as it is sent.

  The modules that the guide supposes are in `test/migration_guide/python`.
  """

  alias Py.Case.Erlang

  @python Path.expand("../migration_guide/python", __DIR__)

  defmacro __using__(_opts) do
    quote do
      use Py.Case, async: false
      import Py.Case.Guide
      setup :default_pool
    end
  end

  @doc "The pool is that of a fresh start, whatever a snippet has made of it."
  def default_pool(_context) do
    unless Py.contexts_started?(), do: Py.start_contexts()
    ExUnit.Callbacks.on_exit(fn -> unless Py.contexts_started?(), do: Py.start_contexts() end)
  end

  @doc "Runs Erlang; the value of its last expression, and its names with their values."
  def erlang(code, bindings \\ []) do
    {value, bindings} = code |> IO.iodata_to_binary() |> Erlang.run(1, bindings)
    {value, Map.new(bindings)}
  end

  @doc "Makes the guide's Python modules known to these contexts, or to those of the pool."
  def import_from_guide(contexts \\ elem(Py.start_contexts(), 1)) do
    code = "import sys\nif folder not in sys.path: sys.path.append(folder)"
    for context <- contexts, do: {:ok, nil} = Py.Context.eval(context, code, folder: @python)
    :ok
  end

  ## To be run in a `Py.Child`

  @doc "The guide's handling of a signal, which this BEAM then sends to itself."
  def handle_sigterm do
    # The handler of OTP's own would stop the system; one that sends messages takes its place.
    :ok =
      :gen_event.swap_handler(
        :erl_signal_server,
        {:erl_signal_handler, []},
        {__MODULE__.Signals, self()}
      )

    erlang("os:set_signal(sigterm, handle).")
    {_output, 0} = System.cmd("kill", ["-TERM", System.pid()])

    {value, _bindings} =
      erlang("""
      receive
        {signal, sigterm} ->
          %% Graceful shutdown
          application:stop(erlang_python)
      end.
      """)

    if value == :ok and not Py.contexts_started?(), do: :stopped
  end

  defmodule Signals do
    @moduledoc false
    @behaviour :gen_event

    @impl true
    def init({owner, _last}), do: {:ok, owner}

    @impl true
    def handle_event(signal, owner) do
      send(owner, {:signal, signal})
      {:ok, owner}
    end

    @impl true
    def handle_call(_request, owner), do: {:ok, :ok, owner}
  end

  @doc "The guide's message to a registered process on another node; what that one received."
  def send_to_another_node, do: Py.Case.Far.with_node(&send_to/1)

  defp send_to(node) do
    server = Node.spawn(node, __MODULE__, :my_server, [self()])
    receive do: (^server -> :registered)

    code = """
    import erlang
    # Send to a registered process
    erlang.send(("my_server", "#{node}"), {"event": "user_login", "user": 123})
    """

    :ok = :py.exec(code)
    receive do: ({^server, message} -> message)
  end

  @doc false
  def my_server(owner) do
    Process.register(self(), :my_server)
    send(owner, self())
    receive do: (message -> send(owner, {self(), message}))
  end
end
