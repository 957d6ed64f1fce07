defmodule Py.Request do
  @moduledoc false

  # One way in for all verbs: `Py.Request.Route` finds the place, `Py.Request.Waiting` hands the
  # operation over and waits. Everything runs in the caller's own process; no other one stands in
  # between.

  alias Py.{
    ContextError,
    ConversionError,
    Deadline,
    Decoder,
    Error,
    Mistake,
    Native,
    Object,
    Options,
    Telemetry
  }

  alias Py.EventLoop.Tasks
  alias Py.Request.{Batch, Inline, Route, Settings, Spawned}
  alias Py.Stream.Push

  @type result :: {:ok, term} | {:error, Exception.t()}

  @timeout Options.default(:timeout)

  @doc "Calls a function of a module, or a method of an object."
  @spec call(atom | binary | Object.t(), atom | binary, list, keyword, Native.format()) :: result
  def call(module, function, args, opts, format \\ :term)

  def call(_module, _function, args, _opts, _format) when not is_list(args),
    do: Mistake.args!(args)

  def call(%Object{} = object, method, args, opts, format) do
    options = Options.parse!(:object, opts)
    object(object, {:call_method, object, method, args, options.kwargs}, options, format)
  end

  # To look through options costs as much as a short call.
  def call(module, function, args, [], format),
    do: call_plain(module, function, args, false, format)

  def call(module, function, args, [{:inline, inline?}], format) when is_boolean(inline?),
    do: call_plain(module, function, args, inline?, format)

  def call(module, function, args, opts, format) do
    options = Options.parse!(:call, opts)
    run({:call, module, function, args, options.kwargs}, options, format)
  end

  defp call_plain(module, function, args, inline?, format) do
    op = {:call, module, function, args, []}
    settings = Settings.get()
    route(settings, op, format, Inline.how(settings.inline, op, inline?, @timeout))
  end

  @doc "Evaluates code to the value of its last expression."
  @spec eval(binary, map | keyword, keyword, Native.format()) :: result
  def eval(code, vars, opts, format \\ :term)
  def eval(code, _vars, _opts, _format) when not is_binary(code), do: Mistake.code!(code)

  def eval(code, vars, [], format),
    do: route(Settings.get(), {:eval, code, vars}, format, @timeout)

  def eval(code, vars, opts, format),
    do: run({:eval, code, vars}, Options.parse!(:eval, opts), format)

  @doc "Executes code for its effects."
  @spec exec(binary, keyword, Native.format()) :: :ok | {:error, Exception.t()}
  def exec(code, opts, format \\ :term)
  def exec(code, _opts, _format) when not is_binary(code), do: Mistake.code!(code)

  def exec(code, opts, format) do
    case run({:exec, code}, Options.parse!(:exec, opts), format) do
      {:ok, _none} -> :ok
      error -> error
    end
  end

  @doc "Starts a call whose answer is fetched by `Py.Request.Spawned.await/2`."
  @spec spawn_call(atom | binary | Object.t(), atom | binary, list, keyword, Native.format()) ::
          reference
  def spawn_call(module, function, args, opts, format \\ :term) do
    options = Options.parse!(:spawn_call, opts)
    {op, options} = calling(module, function, args, options)
    Spawned.start(op, options, format(options, format))
  end

  @doc "Starts a call whose answer is a message, with the result as `shape` makes it."
  @spec create_task(
          atom | binary | Object.t(),
          atom | binary,
          list,
          keyword,
          Native.format(),
          (result -> term)
        ) :: reference
  def create_task(module, function, args, opts, format \\ :term, shape \\ & &1) do
    {op, options} = calling(module, function, args, Options.parse!(:create_task, opts))
    Tasks.start(op, options, format(options, format), shape)
  end

  @doc "Starts a call that nobody waits for."
  @spec cast(atom | binary | Object.t(), atom | binary, list, keyword, Native.format()) ::
          :ok | {:error, Exception.t()}
  def cast(module, function, args, opts, format \\ :term) do
    {op, options} = calling(module, function, args, Options.parse!(:cast, opts))
    Route.run(op, options, format, {:cast, false})
  end

  @doc "Runs several calls, each `{module, function, args}` or with options, and waits for all."
  @spec parallel([tuple], keyword, Native.format()) :: [result]
  def parallel(calls, opts, format \\ :term)
  def parallel(calls, _opts, _format) when not is_list(calls), do: Mistake.calls!(calls)

  def parallel(calls, opts, format) do
    options = Options.parse!(:spawn_call, opts)

    calls
    |> Enum.map(fn
      {module, function, args} ->
        calling(module, function, args, options)

      {module, function, args, own} ->
        calling(module, function, args, Options.parse!(:spawn_call, opts ++ own))

      other ->
        Mistake.calls!([other])
    end)
    |> Batch.run(options, format)
  end

  @doc "Starts several calls at once, as coroutines wait side by side, and waits for all."
  @spec gather([tuple], keyword, Native.format()) :: [result]
  def gather(calls, opts, format \\ :term)
  def gather(calls, _opts, _format) when not is_list(calls), do: Mistake.calls!(calls)

  def gather(calls, opts, format) do
    deadline = Deadline.new(Options.parse!(:spawn_call, opts).timeout)
    # Of an option that is given twice the last one counts.
    within = fn opts -> opts ++ [timeout: Deadline.left(deadline)] end

    calls
    |> Enum.map(fn
      {module, function, args} ->
        spawn_call(module, function, args, within.(opts), format)

      {module, function, args, own} ->
        spawn_call(module, function, args, within.(opts ++ own), format)

      other ->
        Mistake.calls!([other])
    end)
    |> Spawned.await_many(Deadline.left(deadline))
  end

  @doc "Calls a function with each element, and waits for all."
  @spec map(Enumerable.t(), atom | binary | Object.t(), atom | binary, keyword, Native.format()) ::
          [result]
  def map(enumerable, module, function, opts, format \\ :term) do
    options = Options.parse!(:map, opts)

    enumerable
    |> Enum.map(&calling(module, function, [&1], options))
    |> Batch.run(options, format)
  end

  @doc "A stream over what a call answers with."
  @spec stream(atom | binary | Object.t(), atom | binary, list, keyword, Native.format()) ::
          Enumerable.t()
  def stream(module, function, args, opts, format \\ :term) do
    {op, options} = calling(module, function, args, Options.parse!(:stream, opts))
    Py.Stream.over_result(op, options, format)
  end

  @doc "A stream over the value of code."
  @spec stream_eval(binary, map | keyword, keyword, Native.format()) :: Enumerable.t()
  def stream_eval(code, vars, opts, format \\ :term)
  def stream_eval(code, _vars, _opts, _format) when not is_binary(code), do: Mistake.code!(code)

  def stream_eval(code, vars, opts, format),
    do: Py.Stream.over_result({:eval, code, vars}, Options.parse!(:stream_eval, opts), format)

  @doc "Starts a stream that comes as messages, which have the shape that a function makes."
  @spec stream_start(
          atom | binary | Object.t(),
          atom | binary,
          list,
          keyword,
          Native.format(),
          (Push.event() -> term)
        ) :: reference
  def stream_start(module, function, args, opts, format \\ :term, shape \\ & &1) do
    {op, options} = calling(module, function, args, Options.parse!(:stream_start, opts))
    Push.start(op, options, format, shape)
  end

  defp calling(_module, _function, args, _options) when not is_list(args),
    do: Mistake.args!(args)

  # A method of an object, like any operation on one, runs in the object's context.
  defp calling(%Object{context: context} = object, method, args, options),
    do: {{:call_method, object, method, args, options.kwargs}, %{options | context: context}}

  defp calling(module, function, args, options),
    do: {{:call, module, function, args, options.kwargs}, options}

  @doc "Runs an operation on an object, in the object's context."
  @spec object(Object.t(), Native.op(), Native.format()) :: result
  def object(object, op, format), do: object(object, op, %{timeout: @timeout}, format)

  @doc "The same with options."
  @spec object(Object.t(), Native.op(), map, Native.format()) :: result
  def object(object, op, options, format) do
    format = format(options, format)

    op
    |> Telemetry.call(how(op, options), &Route.object(object, op, format, &1))
    |> decode(options)
  end

  @doc "Runs an operation in that context."
  @spec in_context(Py.Router.context(), Native.op(), Native.format()) :: result
  def in_context(context, op, format),
    do: run(op, %{context: context, timeout: @timeout}, format)

  @doc "Runs an operation where its options say."
  @spec run(Native.op(), map, Native.format()) :: result
  def run(op, options, format) do
    format = format(options, format)

    op
    |> Telemetry.call(how(op, options), &Route.run(op, options, format, &1))
    |> decode(options)
  end

  # The same where no option is given. Most calls come this way, and save themselves the function.
  defp route(%{telemetry: false} = settings, op, format, how),
    do: Route.route(settings, op, nil, format, how)

  defp route(settings, op, format, how),
    do: Telemetry.call(op, how, &Route.route(settings, op, nil, format, &1))

  @doc "Makes of a result what the option `as:` says."
  @spec decode(result, map) :: result
  def decode({:ok, value}, %{as: as}) when as != nil, do: {:ok, Decoder.decode(value, as)}
  def decode(result, _options), do: result

  @doc "The format that options ask for, or else the one given."
  @spec format(map, Native.format()) :: Native.format()
  def format(%{return: return}, _format) when return != :term, do: return
  def format(_options, format), do: format

  @doc "The value, or the exception raised."
  @spec bang!(result | :ok) :: term
  def bang!({:ok, value}), do: value
  def bang!(:ok), do: :ok
  def bang!({:error, exception}) when is_exception(exception), do: raise(exception)

  # What OTP says, such as `{:already_started, pid}`.
  def bang!({:error, reason}), do: raise(ErlangError, original: reason)

  @doc "The exception for what the native side says."
  @spec exception(Native.reason()) :: Exception.t()
  def exception({:raised, description, object}), do: Error.from_description(description, object)
  def exception({:context, reason}), do: %ContextError{reason: reason}
  def exception({:conversion, facts}), do: struct!(ConversionError, facts)

  defp how(op, %{inline: inline, timeout: timeout}),
    do: Inline.how(Settings.get().inline, op, inline, timeout)

  defp how(_op, %{timeout: timeout}), do: timeout
end
