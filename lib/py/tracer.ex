defmodule Py.Tracer do
  @moduledoc """
  Spans of Python code: what took how long, within what, and what came of it.

  Python code marks them with `erlang.Span` and `@erlang.trace`:

      with erlang.Span("load", table="orders") as span:
          span.set(rows=len(rows))

      @erlang.trace
      async def handle(order): ...

  They are kept here, in the order in which they end, while somebody wants to know:

      iex> Py.Tracer.enable()
      :ok
      iex> Py.exec("import erlang\\nwith erlang.Span('work', items=3): pass")
      :ok
      iex> [%{name: "work", status: :ok, attributes: %{"items" => 3}}] = Py.Tracer.spans()
      iex> Py.Tracer.disable()
      :ok
      iex> Py.Tracer.clear()
      :ok

  Spans nest, across awaits and tasks too; one that nothing surrounds begins a trace. While nobody
  wants to know, a span costs less than a microsecond. Each is a `:telemetry` event as well, see
  `Py.Telemetry`.
  """

  use GenServer

  alias Py.{Native, Options, Telemetry}

  @typedoc """
  A span that has ended. `:start_us` is microseconds since 1970, `:duration_us` microseconds,
  `:at_us` of an event microseconds since the start of its span.
  """
  @type span :: %{
          name: String.t(),
          trace_id: String.t(),
          span_id: String.t(),
          parent_id: String.t() | nil,
          start_us: integer,
          duration_us: non_neg_integer,
          status: :ok | :error,
          error: String.t() | nil,
          attributes: %{String.t() => term},
          events: [%{name: String.t(), at_us: non_neg_integer, attributes: map}]
        }

  @doc """
  Has spans reported and kept, in all contexts.

  ## Options

  #{Options.docs(:tracer)}
  ## Example

      :ok = Py.Tracer.enable(max_spans: 1_000)

  """
  @spec enable(keyword) :: :ok
  def enable(opts \\ []) do
    :ok = GenServer.call(__MODULE__, {:keep, Options.parse!(:tracer, opts).max_spans})
    Native.tracing_set(true)
  end

  @doc """
  Spans that begin from now on are not reported. Those that are kept stay.

      iex> Py.Tracer.disable()
      :ok

  """
  @spec disable() :: :ok
  def disable, do: Native.tracing_set(false)

  @doc """
  The spans that are kept, first those that ended first.

      iex> Py.Tracer.spans()
      []

  """
  @spec spans() :: [span]
  def spans, do: GenServer.call(__MODULE__, :spans)

  @doc """
  Forgets all spans.

      iex> Py.Tracer.clear()
      :ok

  """
  @spec clear() :: :ok
  def clear, do: GenServer.call(__MODULE__, :clear)

  @doc false
  def start_link(_arg), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  ## The process

  @impl true
  def init(nil), do: {:ok, %{spans: :queue.new(), count: 0, most: Options.default(:max_spans)}}

  @impl true
  def handle_call({:keep, most}, _from, state), do: {:reply, :ok, forget(%{state | most: most})}
  def handle_call(:spans, _from, state), do: {:reply, :queue.to_list(state.spans), state}

  def handle_call(:clear, _from, state),
    do: {:reply, :ok, %{state | spans: :queue.new(), count: 0}}

  @impl true
  def handle_info({"span", report}, state) do
    span = span(report)
    Telemetry.execute([:py, :span], %{duration_us: span.duration_us}, span)
    {:noreply, forget(%{state | spans: :queue.in(span, state.spans), count: state.count + 1})}
  end

  def handle_info(_other, state), do: {:noreply, state}

  defp forget(%{count: count, most: most} = state) when count > most do
    {_oldest, spans} = :queue.out(state.spans)
    forget(%{state | spans: spans, count: count - 1})
  end

  defp forget(state), do: state

  # Names from Python are binaries; which fields there are is ours.
  defp span(report) do
    %{
      name: report["name"],
      trace_id: report["trace_id"],
      span_id: report["span_id"],
      parent_id: known(report["parent_id"]),
      start_us: report["start_us"],
      duration_us: report["duration_us"],
      status: if(known(report["error"]), do: :error, else: :ok),
      error: known(report["error"]),
      attributes: Map.new(report["attributes"], fn {name, value} -> {name, known(value)} end),
      events:
        for(
          %{"name" => name, "at_us" => at, "attributes" => attributes} <- report["events"],
          do: %{name: name, at_us: at, attributes: attributes}
        )
    }
  end

  # What Python says on behalf of Erlang has `:none` for `None`.
  defp known(:none), do: nil
  defp known(value), do: value
end
