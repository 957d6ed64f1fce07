defmodule Py.Request do
  @moduledoc false

  # One way in and one `receive`. Everything runs in the caller's own process: options name a
  # context, or the router's slots stand for one; the NIF hands the operation over; the answer
  # comes back as the NIF's own result or as one message. No process stands in between.
  #
  # Where code runs, the first that applies:
  #
  #   1. in the context of the option `context:`, in the namespace all its users share;
  #   2. in the context this process is bound to by `Py.Router.bind_context/1`, likewise;
  #   3. for `exec`, `eval` and functions of `__main__`: in this process's private namespace,
  #      which its first `exec` creates. Before that, `eval` gets an empty one;
  #   4. in the context of an object among the arguments, since objects cannot leave theirs;
  #   5. in a context of the pool.

  alias Py.{Context, ContextError, ConversionError, Error, Native, Object, Options, Router}
  alias Py.Encoder.Walk
  alias Py.Router.Pool

  @type result :: {:ok, term} | {:error, Exception.t()}

  @timeout Options.default(:timeout)
  @namespace :"$py_namespace"
  @gone [:closed, :not_found]

  @doc "Calls a function of a module, or a method of an object."
  @spec call(atom | binary | Object.t(), atom | binary, list, keyword, Native.format()) :: result
  def call(module, function, args, opts, format \\ :term)

  def call(%Object{} = object, method, args, opts, format) do
    options = Options.parse!(:object, opts)
    object(object, {:call_method, object, method, args, options.kwargs}, options, format)
  end

  def call(module, function, args, [], format),
    do: route({:call, module, function, args, []}, format, @timeout)

  def call(module, function, args, opts, format) do
    options = Options.parse!(:call, opts)
    run({:call, module, function, args, options.kwargs}, options, format)
  end

  @doc "Evaluates code to the value of its last expression."
  @spec eval(binary, map | keyword, keyword, Native.format()) :: result
  def eval(code, vars, opts, format \\ :term)
  def eval(code, vars, [], format), do: route({:eval, code, vars}, format, @timeout)

  def eval(code, vars, opts, format),
    do: run({:eval, code, vars}, Options.parse!(:eval, opts), format)

  @doc "Executes code for its effects."
  @spec exec(binary, keyword) :: :ok | {:error, Exception.t()}
  def exec(code, opts) do
    case run({:exec, code}, Options.parse!(:exec, opts), :term) do
      {:ok, _none} -> :ok
      error -> error
    end
  end

  @doc "Runs an operation on an object, in the object's context."
  @spec object(Object.t(), Native.op(), Native.format()) :: result
  def object(object, op, format), do: object(object, op, %{timeout: @timeout}, format)

  @doc "The same with options."
  @spec object(Object.t(), Native.op(), map, Native.format()) :: result
  def object(%Object{ref: ref, context: context}, op, options, format) do
    # The reference of an object means nothing to another node's library; its context's process
    # there takes the operation instead.
    target = if node(context) == node(), do: ref, else: context
    submit(target, op, :context, format(options, format), options.timeout)
  end

  @doc "The value, or the exception raised."
  @spec bang!(result | :ok) :: term
  def bang!({:ok, value}), do: value
  def bang!(:ok), do: :ok
  def bang!({:error, exception}), do: raise(exception)

  @doc "Submits an operation and waits for its answer."
  @spec submit(Native.target(), Native.op(), Native.scope(), Native.format(), timeout) :: result
  def submit(target, op, scope, format, timeout) do
    # Made in the function that receives, so that the emulator skips all older messages.
    tag = make_ref()
    op = Walk.op(op)

    case Native.request_submit(target, op, scope, tag, format, :call) do
      {:ok, _value} = ok ->
        ok

      {:wait, ticket} ->
        receive do
          {^tag, {:ok, _value} = ok} -> ok
          {^tag, {:error, reason}} -> {:error, exception(reason)}
        after
          timeout -> expire(ticket, tag)
        end

      {:error, {:context, reason}} when reason in @gone and is_tuple(target) ->
        renew(target, op, scope, format, timeout)

      # A pid stands for a context that is or was; only names and places can be wrong.
      {:error, {:context, :not_found}} ->
        {:error, %ContextError{reason: :closed}}

      {:error, reason} ->
        {:error, exception(reason)}

      {:unopened, index} ->
        # The process may be on another scheduler by now, but this is the slot that is open.
        with {:ok, _context} <- Pool.open(index),
             do: anywhere(Router.target(index), op, scope, format, timeout)

      :remote ->
        Context.request(target, op, format, timeout)
    end
  end

  # Either this process cancels the request, or its answer has been sent and is taken: nothing
  # late is ever left in the mailbox.
  defp expire(ticket, tag) do
    case Native.request_cancel(ticket) do
      :cancelled ->
        {:error, %ContextError{reason: :timeout}}

      :replied ->
        receive do
          {^tag, {:ok, _value} = ok} -> ok
          {^tag, {:error, reason}} -> {:error, exception(reason)}
        end
    end
  end

  @doc "Runs an operation in that context."
  @spec in_context(Router.context(), Native.op(), Native.format()) :: result
  def in_context(context, op, format),
    do: run(op, %{context: context, timeout: @timeout}, format)

  @doc "Runs an operation where its options say."
  @spec run(Native.op(), map, Native.format()) :: result
  def run(op, %{context: nil} = options, format),
    do: route(op, format(options, format), options.timeout)

  def run(op, options, format) do
    case Router.resolve(options.context) do
      {:ok, pid} when is_pid(pid) ->
        submit(pid, op, :context, format(options, format), options.timeout)

      {:ok, server} ->
        Context.request(server, Walk.op(op), format(options, format), options.timeout)

      error ->
        error
    end
  end

  defp format(%{return: :object}, _format), do: :object
  defp format(_options, format), do: format

  defp route({:call, main, _function, _args, _kwargs} = op, format, timeout)
       when main in [:__main__, "__main__"],
       do: scoped(op, format, timeout)

  defp route({:call, _module, _function, args, kwargs} = op, format, timeout) do
    case Router.bound() || owner(args) || owner(kwargs) do
      nil -> anywhere(Router.target(), op, :context, format, timeout)
      context -> submit(context, op, :context, format, timeout)
    end
  end

  defp route(op, format, timeout), do: scoped(op, format, timeout)

  defp scoped(op, format, timeout) do
    cond do
      context = Router.bound() -> submit(context, op, :context, format, timeout)
      binding = Process.get(@namespace) -> in_namespace(binding, op, format, timeout)
      true -> unscoped(op, format, timeout)
    end
  end

  defp unscoped({:exec, _code} = op, format, timeout) do
    with {:ok, context} <- Router.idle_context() do
      binding = {context, Native.namespace_new()}
      Process.put(@namespace, binding)
      in_namespace(binding, op, format, timeout)
    end
  end

  defp unscoped(op, format, timeout) do
    case owner(op) do
      nil -> anywhere(Router.target(), op, :fresh, format, timeout)
      context -> submit(context, op, :fresh, format, timeout)
    end
  end

  # A namespace ends with its context. The call at hand says so, since what it relies on is
  # lost; the next one starts clean.
  defp in_namespace({context, namespace}, op, format, timeout) do
    case submit(context, op, namespace, format, timeout) do
      {:error, %ContextError{reason: :closed}} = closed ->
        Process.delete(@namespace)
        closed

      result ->
        result
    end
  end

  defp anywhere(nil, _op, _scope, _format, _timeout),
    do: {:error, %ContextError{reason: :not_found}}

  defp anywhere(target, op, scope, format, timeout),
    do: submit(target, op, scope, format, timeout)

  # The slot held a context that has just died, and nothing ran. Once the router has taken it
  # out of the slots another one serves.
  defp renew({slots, _index}, op, scope, format, timeout) do
    case Pool.renew(slots) do
      :ok -> anywhere(Router.target(), op, scope, format, timeout)
      _unchanged -> {:error, %ContextError{reason: :closed}}
    end
  end

  # The context of the first object among arguments, keyword arguments or variables.
  defp owner([%Object{context: context} | _rest]), do: context
  defp owner([{_name, %Object{context: context}} | _rest]), do: context
  defp owner([_other | rest]), do: owner(rest)
  defp owner(map) when map_size(map) > 0, do: map |> Map.to_list() |> owner()
  defp owner({:eval, _code, vars}), do: owner(vars)
  defp owner({:call, _module, _function, args, kwargs}), do: owner(args) || owner(kwargs)
  defp owner(_none), do: nil

  @doc false
  @spec exception(Native.reason()) :: Exception.t()
  def exception({:raised, description, object}), do: Error.from_description(description, object)
  def exception({:context, reason}), do: %ContextError{reason: reason}
  def exception({:conversion, facts}), do: struct!(ConversionError, facts)
end
