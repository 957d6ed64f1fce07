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
  #   5. in a context of the pool registered for the module;
  #   6. in a context of the pool `:default`, or, should that meet an extension that refuses
  #      sub-interpreters, in one of the pool `:worker`.
  #
  # With the option `pool:`, that pool takes the place of 5 and 6, and has bindings and
  # namespaces of its own. Below, `pool` is that option's value and `nil` without it.

  alias Py.{Context, ContextError, ConversionError, Error, Native, Object, Options, Router}
  alias Py.Encoder.Walk
  alias Py.Router.{Extension, Pool, Registrations}

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
    do: route({:call, module, function, args, []}, nil, format, @timeout)

  def call(module, function, args, opts, format) do
    options = Options.parse!(:call, opts)
    run({:call, module, function, args, options.kwargs}, options, format)
  end

  @doc "Evaluates code to the value of its last expression."
  @spec eval(binary, map | keyword, keyword, Native.format()) :: result
  def eval(code, vars, opts, format \\ :term)
  def eval(code, vars, [], format), do: route({:eval, code, vars}, nil, format, @timeout)

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
    result = submit(target, op, :context, format(options, format), options.timeout)
    Extension.hint(result, context, :context)
  end

  @doc "The value, or the exception raised."
  @spec bang!(result | :ok) :: term
  def bang!({:ok, value}), do: value
  def bang!(:ok), do: :ok
  def bang!({:error, exception}), do: raise(exception)

  @doc """
  Submits an operation and waits for its answer.

  A pool's slots may also be found wanting: a context has to be opened, or has just died.
  """
  @spec submit(Native.target(), Native.op(), Native.scope(), Native.format(), timeout) ::
          result | {:unopened, non_neg_integer} | :gone
  def submit(target, op, scope, format, timeout) do
    # Made in the function that receives, so that the emulator skips all older messages.
    tag = make_ref()

    case Native.request_submit(target, op, scope, tag, format, :call) do
      {:ok, _value} = ok ->
        ok

      {:wait, ticket} ->
        receive do
          {^tag, {:ok, _value} = ok} -> ok
          {^tag, {:error, reason}} -> failed(reason, target, op, scope, format, timeout)
        after
          timeout -> expire(ticket, tag)
        end

      {:error, {:context, reason}} when reason in @gone and is_tuple(target) ->
        :gone

      # A pid stands for a context that is or was; only names and places can be wrong.
      {:error, {:context, :not_found}} ->
        {:error, %ContextError{reason: :closed}}

      {:error, reason} ->
        failed(reason, target, op, scope, format, timeout)

      {:unopened, _index} = unopened ->
        unopened

      :remote ->
        # The other node may not know the structs of this one.
        Context.request(target, Walk.op(op), format, timeout)
    end
  end

  # Nothing has run yet: there was a struct that has to be encoded here.
  defp failed(
         {:conversion, %{reason: :encoder, direction: :to_python}} = reason,
         target,
         op,
         scope,
         format,
         timeout
       ) do
    case Walk.op(op) do
      ^op -> {:error, exception(reason)}
      encoded -> submit(target, encoded, scope, format, timeout)
    end
  end

  defp failed(reason, _target, _op, _scope, _format, _timeout), do: {:error, exception(reason)}

  # Either this process cancels the request, or its answer has been sent and is taken: nothing
  # late is ever left in the mailbox.
  defp expire(ticket, tag) do
    case Native.request_cancel(ticket) do
      :cancelled ->
        timeout()

      :replied ->
        receive do
          {^tag, {:ok, _value} = ok} -> ok
          {^tag, {:error, {:conversion, %{reason: :encoder, direction: :to_python}}}} -> timeout()
          {^tag, {:error, reason}} -> {:error, exception(reason)}
        end
    end
  end

  defp timeout, do: {:error, %ContextError{reason: :timeout}}

  @doc "Runs an operation in that context."
  @spec in_context(Router.context(), Native.op(), Native.format()) :: result
  def in_context(context, op, format),
    do: run(op, %{context: context, timeout: @timeout}, format)

  @doc "Runs an operation where its options say."
  @spec run(Native.op(), map, Native.format()) :: result
  def run(op, %{context: nil} = options, format),
    do: route(op, options.pool, format(options, format), options.timeout)

  def run(op, options, format) do
    case Router.resolve(options.context, Map.get(options, :pool) || :default) do
      {:ok, pid} when is_pid(pid) ->
        in_given(pid, op, :context, format(options, format), options.timeout)

      {:ok, server} ->
        Context.request(server, Walk.op(op), format(options, format), options.timeout)

      error ->
        error
    end
  end

  defp format(%{return: :object}, _format), do: :object
  defp format(_options, format), do: format

  defp route({:call, main, _function, _args, _kwargs} = op, pool, format, timeout)
       when main in [:__main__, "__main__"],
       do: scoped(op, pool, format, timeout)

  defp route({:call, _module, _function, args, kwargs} = op, pool, format, timeout) do
    case Router.bound(pool) || owner(args) || owner(kwargs) do
      nil -> in_pool(op, pool, :context, format, timeout)
      context -> in_given(context, op, :context, format, timeout)
    end
  end

  defp route(op, pool, format, timeout), do: scoped(op, pool, format, timeout)

  defp scoped(op, pool, format, timeout) do
    cond do
      context = Router.bound(pool) ->
        in_given(context, op, :context, format, timeout)

      binding = Process.get(namespace_key(pool)) ->
        result = in_namespace(binding, op, pool, format, timeout)
        Extension.hint(result, elem(binding, 0), :namespace)

      true ->
        unscoped(op, pool, format, timeout)
    end
  end

  # The first `exec` of a process, or the first since its namespace was lost.
  defp unscoped({:exec, _code} = op, pool, format, timeout) do
    case pool || Registrations.pool(op) do
      nil ->
        result = settle(:default, op, pool, format, timeout)

        if Extension.moves?(result, op),
          do: settle(:worker, op, pool, format, timeout),
          else: result

      home ->
        home |> settle(op, pool, format, timeout) |> Extension.hint(home, :pool)
    end
  end

  defp unscoped(op, pool, format, timeout) do
    case owner(op) do
      nil -> in_pool(op, pool, :fresh, format, timeout)
      context -> in_given(context, op, :fresh, format, timeout)
    end
  end

  defp in_given(context, op, scope, format, timeout),
    do: context |> submit(op, scope, format, timeout) |> Extension.hint(context, :context)

  # Gives this process a namespace in a context of that pool.
  defp settle(home, op, pool, format, timeout) do
    with {:ok, context} <- Router.idle_context(home) do
      binding = {context, Native.namespace_new()}
      Process.put(namespace_key(pool), binding)
      in_namespace(binding, op, pool, format, timeout)
    end
  end

  # A namespace ends with its context. The call at hand says so, since what it relies on is
  # lost; the next one starts clean.
  defp in_namespace({context, namespace}, op, pool, format, timeout) do
    case submit(context, op, namespace, format, timeout) do
      {:error, %ContextError{reason: :closed}} = closed ->
        Process.delete(namespace_key(pool))
        closed

      result ->
        result
    end
  end

  defp namespace_key(pool) when pool in [nil, :default], do: @namespace
  defp namespace_key(pool), do: {@namespace, pool}

  defp in_pool(op, nil, scope, format, timeout) do
    case Registrations.pool(op) do
      nil ->
        result = anywhere(:default, op, scope, format, timeout)

        if Extension.moves?(result, op),
          do: anywhere(:worker, op, scope, format, timeout),
          else: result

      registered ->
        in_registered(registered, op, scope, format, timeout)
    end
  end

  defp in_pool(op, pool, scope, format, timeout),
    do: pool |> anywhere(op, scope, format, timeout) |> Extension.hint(pool, :pool)

  defp in_registered(pool, op, scope, format, timeout) do
    case Router.bound(pool) do
      nil -> in_pool(op, pool, scope, format, timeout)
      context -> in_given(context, op, :context, format, timeout)
    end
  end

  defp anywhere(pool, op, scope, format, timeout),
    do: in_slots(Router.target(pool), pool, op, scope, format, timeout)

  defp in_slots(nil, pool, _op, _scope, _format, _timeout), do: Pool.not_found(pool)

  defp in_slots({slots, _preferred} = target, pool, op, scope, format, timeout) do
    case submit(target, op, scope, format, timeout) do
      {:unopened, index} ->
        # The process may be on another scheduler by now, but this is the slot that is open.
        with {:ok, _context} <- Pool.open(pool, index),
             do: in_slots(Router.target(pool, index), pool, op, scope, format, timeout)

      :gone ->
        renew(slots, pool, op, scope, format, timeout)

      result ->
        result
    end
  end

  # The slot held a context that has just died, and nothing ran. Once it is out of the slots
  # another one serves.
  defp renew(slots, pool, op, scope, format, timeout) do
    case Pool.renew(pool, slots) do
      :ok -> anywhere(pool, op, scope, format, timeout)
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
