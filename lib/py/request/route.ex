defmodule Py.Request.Route do
  @moduledoc false

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
  #
  # A context that has to be opened for it takes what that takes from the caller's time, and
  # opens all the same when that is over: others will want it.
  #
  # While this process runs a callback, the context that waits for it is taken for 5 and 6 if it
  # is in that pool, and what goes there by any of these ways is given to the callback. So
  # processes that all hold a context never wait for each other's.

  alias Py.{Callback, ContextError, Deadline, Mistake, Native, Object}
  alias Py.Context.Remote
  alias Py.Encoder.Walk
  alias Py.Request.{Settings, Waiting}
  alias Py.Router.{Choice, Extension, Pool, Registrations}

  @namespace :"$py_namespace"

  @doc "Runs an operation where its options say."
  @spec run(Native.op(), map, Native.format(), Waiting.how()) :: Waiting.outcome()
  def run(op, %{context: nil} = options, format, how),
    do: route(Settings.get(), op, options.pool, format, how)

  def run(op, %{context: context}, format, how) when is_pid(context),
    do: in_given(context, op, :context, format, how)

  def run(op, options, format, how) do
    pool = Map.get(options, :pool) || :default

    in_time(how, &Choice.resolve(options.context, pool, &1), fn
      pid, how when is_pid(pid) -> in_given(pid, op, :context, format, how)
      server, how -> Remote.run(server, Walk.op(op), format, how)
    end)
  end

  @doc "Runs an operation in the context of an object."
  @spec object(Object.t(), Native.op(), Native.format(), Waiting.how()) :: Waiting.outcome()
  def object(%Object{ref: ref, context: context}, op, format, how) do
    # The reference of an object means nothing to another node's library; its context's process
    # there takes the operation instead.
    target = if node(context) == node(), do: ref, else: context
    context |> in_context(target, op, :context, format, how) |> Extension.hint(context, :context)
  end

  def object(other, _op, _format, _how), do: Mistake.object!(other)

  @doc "Runs an operation in the pool `:worker`."
  @spec in_worker(Native.op(), Native.format()) :: Waiting.outcome()
  def in_worker(op, format),
    do: anywhere(Settings.get(), :worker, op, :context, format, :infinity)

  @doc "Runs an operation where the process's state and the arguments say."
  @spec route(Settings.t(), Native.op(), Pool.name() | nil, Native.format(), Waiting.how()) ::
          Waiting.outcome()
  def route(settings, op, pool, format, how)

  def route(settings, {:call, module, _function, args, kwargs} = op, pool, format, how)
      when (is_atom(module) and module != :__main__) or
             (is_binary(module) and module != "__main__") do
    case Choice.bound(pool) || owner(args) || owner(kwargs) do
      nil -> in_pool(settings, op, pool, :context, format, how)
      context -> in_given(context, op, :context, format, how)
    end
  end

  def route(settings, {:batch, [{main, _function, _args, _kwargs} | _]} = op, pool, format, how)
      when main not in [:__main__, "__main__"] do
    case Choice.bound(pool) do
      nil -> in_pool(settings, op, pool, :context, format, how)
      context -> in_given(context, op, :context, format, how)
    end
  end

  def route(settings, op, pool, format, how), do: scoped(settings, op, pool, format, how)

  ## Namespaces

  defp scoped(settings, op, pool, format, how) do
    cond do
      context = Choice.bound(pool) ->
        in_given(context, op, :context, format, how)

      binding = Process.get(namespace_key(pool)) ->
        result = in_namespace(binding, op, pool, format, how)
        Extension.hint(result, elem(binding, 0), :namespace)

      true ->
        unscoped(settings, op, pool, format, how)
    end
  end

  # The first `exec` of a process, or the first since its namespace was lost. So it is for a sigil,
  # since the objects that its variables stand for are to meet in one context; unless they come
  # from one already.
  defp unscoped(settings, op, pool, format, how) when elem(op, 0) in [:exec, :sigil] do
    case owner(op) || pool || Registrations.pool(settings.registrations, op) do
      context when is_pid(context) ->
        in_given(context, op, :fresh, format, how)

      nil ->
        result = settle(nil, op, pool, format, how)

        if Extension.moves?(result, op),
          do: settle(:worker, op, pool, format, how),
          else: result

      home ->
        home |> settle(op, pool, format, how) |> Extension.hint(home, :pool)
    end
  end

  defp unscoped(settings, op, pool, format, how) do
    case owner(op) do
      nil -> in_pool(settings, op, pool, :fresh, format, how)
      context -> in_given(context, op, :fresh, format, how)
    end
  end

  # Gives this process a namespace in a context of that pool.
  defp settle(home, op, pool, format, how) do
    in_time(how, &settling_place(home, &1), fn context, how ->
      binding = {context, Native.namespace_new()}
      Process.put(namespace_key(pool), binding)
      in_namespace(binding, op, pool, format, how)
    end)
  end

  defp settling_place(home, timeout) do
    case Callback.innermost(home) do
      {context, _callback} -> {:ok, context}
      nil -> Choice.idle_context(home || :default, timeout)
    end
  end

  # A namespace ends with its context. The call at hand says so, since what it relies on is
  # lost; the next one starts clean.
  defp in_namespace({context, namespace}, op, pool, format, how) do
    case in_context(context, context, op, namespace, format, how) do
      {:error, %ContextError{reason: :closed}} = closed ->
        Process.delete(namespace_key(pool))
        closed

      result ->
        result
    end
  end

  defp namespace_key(pool) when pool in [nil, :default], do: @namespace
  defp namespace_key(pool), do: {@namespace, pool}

  ## Contexts

  defp in_given(context, op, scope, format, how),
    do:
      context |> in_context(context, op, scope, format, how) |> Extension.hint(context, :context)

  # Nobody waits for a cast, so it may as well wait for its turn.
  defp in_context(_context, target, op, scope, format, {:cast, _routed?}),
    do: Waiting.submit(target, op, scope, format, {:cast, false})

  defp in_context(context, target, op, scope, format, how) do
    case Callback.open(context) do
      nil -> Waiting.submit(target, op, scope, format, how)
      callback -> in_callback(context, callback, op, scope, format, how)
    end
  end

  defp in_callback(context, callback, op, scope, format, how) do
    case Waiting.submit(callback, op, scope, format, how) do
      {:error, %ContextError{reason: :closed}} = closed ->
        if Pool.open?(context), do: over(), else: closed

      result ->
        result
    end
  end

  defp over do
    details = "the Python code that called this function was stopped and no longer waits for it"
    {:error, %ContextError{reason: :interrupted, details: details}}
  end

  ## Pools

  defp in_pool(settings, op, nil, scope, format, how) do
    case Registrations.pool(settings.registrations, op) do
      nil ->
        result = anywhere(settings, nil, op, scope, format, how)

        if Extension.moves?(result, op),
          do: anywhere(settings, :worker, op, scope, format, how),
          else: result

      registered ->
        in_registered(settings, registered, op, scope, format, how)
    end
  end

  defp in_pool(settings, op, pool, scope, format, how) do
    settings |> anywhere(pool, op, scope, format, how) |> Extension.hint(pool, :pool)
  end

  defp in_registered(settings, pool, op, scope, format, how) do
    case Choice.bound(pool) do
      nil -> in_pool(settings, op, pool, scope, format, how)
      context -> in_given(context, op, :context, format, how)
    end
  end

  # The pool is `nil` for what has none of its own: that goes to the pool `:default`.
  defp anywhere(settings, pool, op, scope, format, {:cast, _routed?}),
    do: in_slots(settings, pool || :default, op, scope, format, {:cast, pool == nil})

  defp anywhere(settings, pool, op, scope, format, how) do
    case Callback.innermost(pool) do
      nil -> in_slots(settings, pool || :default, op, scope, format, how)
      {context, callback} -> in_callback(context, callback, op, scope, format, how)
    end
  end

  defp in_slots(%{slots: all}, pool, op, scope, format, how) do
    case all do
      %{^pool => slots} -> in_slot(Choice.target(slots), pool, op, scope, format, how)
      _other_pools -> Pool.not_found(pool)
    end
  end

  defp in_slot({slots, _preferred} = target, pool, op, scope, format, how) do
    case Waiting.submit(target, op, scope, format, how) do
      {:unopened, index} ->
        in_time(how, &Pool.open(pool, index, &1), fn _context, how ->
          # The process may be on another scheduler by now, but this is the slot that is open.
          in_slot({Pool.slots(pool) || slots, index}, pool, op, scope, format, how)
        end)

      :gone ->
        renew(slots, pool, op, scope, format, how)

      result ->
        result
    end
  end

  # The slot held a context that has just died, and nothing ran. Once it is out of the slots
  # another one serves.
  defp renew(slots, pool, op, scope, format, how) do
    in_time(how, &Pool.renew(pool, slots, &1), fn
      :renewed, how -> in_slots(Settings.get(), pool, op, scope, format, how)
      :unchanged, _how -> {:error, %ContextError{reason: :closed}}
    end)
  end

  # Finds a place, which a context may have to be opened for, and goes on there in what is left.
  defp in_time(how, find, go_on) do
    timeout = Waiting.limit(how)
    deadline = Deadline.new(timeout)

    with {:ok, place} <- find.(timeout),
         do: go_on.(place, Waiting.within(how, Deadline.left(deadline)))
  end

  @doc "The context of the first object among arguments, keyword arguments or variables."
  @spec owner(Native.op() | list | map) :: pid | nil
  def owner([]), do: nil
  def owner([%Object{context: context} | _rest]), do: context
  def owner([{_name, %Object{context: context}} | _rest]), do: context
  def owner([_other | rest]), do: owner(rest)
  def owner(map) when map_size(map) > 0, do: map |> Map.to_list() |> owner()
  def owner({:eval, _code, vars}), do: owner(vars)
  def owner({:sigil, _code, vars, _file, _line, _assigns}), do: owner(vars)
  def owner({:call, _module, _function, args, kwargs}), do: owner(args) || owner(kwargs)
  def owner(_none), do: nil
end
