defmodule Py.Telemetry do
  @moduledoc """
  Events for `:telemetry`, where that library is loaded.

  ## Calls

  These come only after `enable/0`, or with `config :erlang_python, telemetry: true`: a call takes
  about a microsecond, and to look for handlers would take a good part of another one.

    * `[:py, :call, :start]` - `:monotonic_time`, `:system_time`
    * `[:py, :call, :stop]` - `:duration`, from the caller's point of view, and what is known of
      it: `:queue` (waiting for the Python thread), `:convert` (arguments and result), `:run`
      (in Python). All four are in native time units
    * `[:py, :call, :exception]` - the same, for a call that answers with an error

  Their metadata has `:kind` (`:call`, `:eval`, `:exec` or another operation) and, for a call,
  `:module` and `:function`. At the end there are also `:context`, the pid of the context that ran
  it, or `nil` if none did, and after an error `:kind_of_error` (`:error`), `:reason` (the
  exception) and `:stacktrace`. The events come from the process that calls.

  | what | when |
  |---|---|
  | `Py.call/4`, `Py.eval/3`, `Py.exec/2`, their like in `Py.Context`, `Py.EventLoop.run/4`, `Py.Object`, `Py.Sigil`, `Py.ASGI`, `Py.WSGI` | always, for each request they make |
  | `Py.spawn_call/4`, `Py.async_call/4` | a start when it is made, an end when it is awaited |
  | `Py.parallel/2`, `Py.map/4`, `Py.async_gather/2` | for each of their calls, which then go one by one and not in batches |
  | `Py.stream/4`, `Py.stream_eval/3`, `Py.stream_start/4` | for each request, a batch of items being one; of the last from a process of its own |
  | `Py.cast/4`, `Py.EventLoop.spawn_task/4` | never: nobody waits for their end |
  | `Py.EventLoop.create_task/4` | never: the end is a message that anybody may receive, at any time |

  While calls emit events, none runs inline. About those that do there is one event, which is so
  rare that it is always emitted:

    * `[:py, :call, :slow_inline]` - `:duration` (native) of a call that ran inline and took too
      long for it, so that it goes to a worker for the next minute; metadata as at a start

  ## Contexts and pools

    * `[:py, :context, :start]` - `:duration` (native) of opening it; metadata `:context`, `:name`,
      `:mode`
    * `[:py, :context, :stop]` - `:served` (requests); metadata `:context`, `:reason`
    * `[:py, :context, :crash]` - the same for a reason that is none of `:normal` and `:shutdown`;
      for one that was killed, if it is in a pool
    * `[:py, :context, :interrupt]` - `:count`, 1; metadata `:context`, `:request`: somebody has
      begun to stop what runs there
    * `[:py, :pool, :slots]` - `:size`, `:open`; metadata `:pool`: contexts have come or gone
    * `[:py, :router, :moved]` - `:count`, 1; metadata `:package`, `:pool`: an extension turned
      out to need the pool `:worker`
    * `[:py, :span]` - `:duration_us`; metadata as in `t:Py.Tracer.span/0`

  ## Polled

  `measure/0` emits what is a state and not an event. It is made for `:telemetry_poller`:

      {:telemetry_poller, measurements: [{Py.Telemetry, :measure, []}], period: 10_000}

    * `[:py, :pool, :status]` - `:size`, `:open`, `:busy`, `:queue`; metadata `:pool`
    * `[:py, :runtime, :status]` - `:open_contexts`, `:abandoned_threads`,
      `:abandoned_interpreters`

    * `[:py, :channel, :status]` - `:count` of all channels, and of what is queued in them
      `:messages`, `:size` (bytes) and `:largest` (bytes, in the fullest one)

  What a single channel holds, `Py.Channel.info/1` says.

  ## Example

      :telemetry.attach("slow", [:py, :call, :stop], fn _event, times, call, _config ->
        ms = System.convert_time_unit(times.duration, :native, :millisecond)
        if ms > 100, do: Logger.warning("\#{inspect(call)} took \#{ms} ms")
      end, nil)

      Py.Telemetry.enable()

  """

  alias Py.{Native, Options}
  alias Py.Request.{Inline, Settings, Waiting}
  alias Py.Router.Pool

  @compile {:no_warn_undefined, :telemetry}

  # What the native side says about the request that this process waits for.
  @times :"$py_times"

  @doc """
  Has events emitted for calls.

      iex> Py.Telemetry.enable()
      :ok
      iex> Py.Telemetry.disable()
      :ok

  """
  @spec enable() :: :ok
  def enable, do: Settings.set_telemetry(true)

  @doc """
  Emits no more events for calls.

      iex> Py.Telemetry.disable()
      :ok

  """
  @spec disable() :: :ok
  def disable, do: Settings.set_telemetry(false)

  @doc """
  Emits the state of all pools and of the runtime.

      iex> Py.Telemetry.measure()
      :ok

  """
  @spec measure() :: :ok
  def measure do
    for name <- Pool.names(),
        do: execute([:py, :pool, :status], Pool.info(name), %{pool: name})

    info = Native.runtime_info()

    execute([:py, :runtime, :status], %{
      open_contexts: info.contexts,
      abandoned_threads: info.abandoned_threads,
      abandoned_interpreters: info.abandoned_interpreters
    })

    {count, messages, size, largest} = Native.channel_census()
    queued = %{count: count, messages: messages, size: size, largest: largest}
    execute([:py, :channel, :status], queued)
  end

  ## What others tell

  @doc false
  # When the application starts.
  @spec setup() :: :ok
  def setup, do: if(Options.env(:telemetry), do: enable(), else: disable())

  @doc false
  @spec calls?() :: boolean
  def calls?, do: Settings.get().telemetry

  @doc false
  # Emits an event that is so rare that the cost of a look for handlers does not count.
  @spec execute([atom], map, map) :: :ok
  def execute(event, measurements, metadata \\ %{}) do
    if Code.ensure_loaded?(:telemetry), do: :telemetry.execute(event, measurements, metadata)
    :ok
  end

  @doc false
  # Runs a request; where somebody wants to know, between two events, and told to wait in a way
  # that keeps the time. Then there is no calling inline, which is for those who count nanoseconds.
  @spec call(Native.op(), Inline.how(), (Waiting.how() -> Waiting.outcome())) ::
          Waiting.outcome()
  def call(op, how, request) do
    if calls?() do
      start = started(op)
      ended(op, start, request.({:timed, Inline.timeout(how)}))
    else
      request.(how)
    end
  end

  @doc false
  @spec started(Native.op()) :: integer
  def started(op) do
    start = System.monotonic_time()
    times = %{monotonic_time: start, system_time: System.system_time()}
    execute([:py, :call, :start], times, metadata(op))
    start
  end

  @doc false
  @spec ended(Native.op(), integer, result) :: result when result: Py.Request.result()
  def ended(op, start, result) do
    {queue, convert, run, context} = Process.delete(@times) || {0, 0, 0, nil}

    times = %{
      duration: System.monotonic_time() - start,
      queue: native(queue),
      convert: native(convert),
      run: native(run)
    }

    metadata = Map.put(metadata(op), :context, context)

    case result do
      {:error, error} ->
        failure = %{kind_of_error: :error, reason: error, stacktrace: []}
        execute([:py, :call, :exception], times, Map.merge(metadata, failure))

      _value ->
        execute([:py, :call, :stop], times, metadata)
    end

    result
  end

  @doc false
  # A call has broken the promise that `inline: true` is.
  @spec slow_inline(Native.op(), pos_integer) :: :ok
  def slow_inline(op, microseconds) do
    duration = System.convert_time_unit(microseconds, :microsecond, :native)
    execute([:py, :call, :slow_inline], %{duration: duration}, metadata(op))
  end

  @doc false
  # An answer says how long it took; the event that follows has it.
  @spec note(Native.times()) :: term
  def note(times), do: Process.put(@times, times)

  defp native(nanoseconds), do: System.convert_time_unit(nanoseconds, :nanosecond, :native)

  defp metadata({:call, module, function, _args, _kwargs}),
    do: %{kind: :call, module: to_string(module), function: to_string(function)}

  defp metadata({:call_method, object, method, _args, _kwargs}),
    do: %{kind: :call_method, module: object.type, function: to_string(method)}

  defp metadata(op), do: %{kind: elem(op, 0)}
end
