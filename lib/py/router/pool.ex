defmodule Py.Router.Pool do
  @moduledoc false

  # A pool is two processes: a supervisor of contexts and the keeper of their slots. Choosing a
  # context needs neither, only the slots; the keeper is asked when those have to change.

  alias Py.{ContextError, Native, Options}
  alias Py.Router.Keeper

  # The slots are read by every call and written when a context opens or crashes: exactly what a
  # persistent term is for. Replacing one makes the emulator look at every process's heap once,
  # which a few writes in the life of a node are worth.
  @slots __MODULE__
  @supervisor Py.Router.Supervisor
  @names Py.Router.Names

  @type name :: atom
  @type slots :: tuple

  @doc "A tuple with the pid of each context, `nil` where none is open; `nil` without a pool."
  @spec slots(name) :: slots | nil
  def slots(name), do: :persistent_term.get({@slots, name}, nil)

  @doc "The pools there are."
  @spec names() :: [name]
  def names, do: Enum.sort(for {{@slots, name}, _slots} <- :persistent_term.get(), do: name)

  @doc "Starts a pool or changes a running one, and opens all its contexts."
  @spec start(name, pos_integer | nil, keyword) :: {:ok, [pid]} | {:error, Exception.t()}
  def start(name, size, opts) do
    started = Supervisor.start_child(@supervisor, child_spec({name, size, opts}))

    case {started, ask(name, {:start, size, opts})} do
      {{:ok, _pool}, {:error, _error} = failed} -> with :ok <- stop(name), do: failed
      # Contexts cannot change their mode; others take their place.
      {_running, {:replace, merged}} -> with :ok <- stop(name), do: start(name, size, merged)
      {_started, answer} -> answer
    end
  catch
    :exit, _application_is_stopped -> not_found(name)
  end

  @doc "Closes all contexts of a pool and takes it away. There is a pool `:worker` at all times."
  @spec stop(name) :: :ok | {:error, Exception.t()}
  def stop(name) do
    with :ok <- Supervisor.terminate_child(@supervisor, name) do
      if name == :worker,
        do: Supervisor.restart_child(@supervisor, name),
        else: Supervisor.delete_child(@supervisor, name)
    end

    :ok
  catch
    :exit, _application_is_stopped -> not_found(name)
  end

  @doc "The context of a slot, opened if need be."
  @spec open(name, non_neg_integer) :: {:ok, pid} | {:error, Exception.t()}
  def open(name, index), do: ask(name, {:open, index})

  @doc "Takes ended contexts out of the slots; `:unchanged` if they are as the caller saw them."
  @spec renew(name, slots) :: :ok | :unchanged | {:error, Exception.t()}
  def renew(name, seen), do: ask(name, {:renew, seen})

  @doc "Whether there is an open context in a slot's place."
  # Not the same as a live process: that ends a while after its interpreter began to.
  @spec open?(pid | nil) :: boolean
  def open?(context), do: is_pid(context) and match?({:ok, _info}, Native.context_info(context))

  @doc "Whether a context, or the open ones of a pool, are sub-interpreters."
  @spec isolated?(pid | name) :: boolean
  def isolated?(context) when is_pid(context),
    do: match?({:ok, %{execution_mode: :subinterp}}, Native.context_info(context))

  def isolated?(name) do
    contexts = Tuple.to_list(slots(name) || {})
    Enum.any?(contexts, &(is_pid(&1) and isolated?(&1)))
  end

  @doc "The error for a pool that is not there."
  @spec not_found(name) :: {:error, ContextError.t()}
  def not_found(:default), do: {:error, %ContextError{reason: :not_found}}

  def not_found(name) do
    details =
      "there is no pool #{inspect(name)}, only #{Enum.map_join(names(), ", ", &inspect/1)}; " <>
        "Py.Router.start_pool/3 starts one"

    {:error, %ContextError{reason: :not_found, details: details}}
  end

  ## For the keeper

  @doc "Replaces the slots."
  @spec publish(name, slots) :: :ok
  def publish(name, slots), do: :persistent_term.put({@slots, name}, slots)

  @doc "Takes the slots away."
  @spec unpublish(name) :: boolean
  def unpublish(name), do: :persistent_term.erase({@slots, name})

  @doc "The options of a pool; those not given are the application's."
  @spec options(name, keyword) :: map
  def options(name, opts) do
    mode = if name == :worker, do: :worker, else: Options.env(:mode)
    {queue, grace} = {Options.env(:max_queue), Options.env(:grace)}
    Options.parse!(:start_pool, [mode: mode, max_queue: queue, grace: grace] ++ opts)
  end

  @doc "The name of the supervisor of a pool's contexts."
  @spec contexts(name) :: GenServer.server()
  def contexts(name), do: {:via, Registry, {@names, {name, :contexts}}}

  @doc "The name of a pool's keeper."
  @spec keeper(name) :: GenServer.server()
  def keeper(name), do: {:via, Registry, {@names, {name, :keeper}}}

  ## Processes

  @doc false
  def child_spec({name, _size, _opts} = arg),
    do: %{id: name, type: :supervisor, start: {__MODULE__, :start_link, [arg]}}

  @doc false
  # The contexts first: a keeper that crashes finds them again, and without them it starts anew.
  def start_link({name, _size, _opts} = arg),
    do: Supervisor.start_link([contexts_spec(name), {Keeper, arg}], strategy: :rest_for_one)

  # Each restart opens an interpreter, which takes so long that a context that cannot open does
  # not use these up; killing all the contexts of a large pool at once does not either.
  defp contexts_spec(name) do
    options = [
      strategy: :one_for_one,
      name: contexts(name),
      max_restarts: 1_000,
      max_seconds: 10
    ]

    %{id: :contexts, type: :supervisor, start: {Supervisor, :start_link, [[], options]}}
  end

  defp ask(name, request) do
    GenServer.call(keeper(name), request, :infinity)
  catch
    :exit, {reason, _call} when reason in [:noproc, :shutdown, :killed] ->
      if back?(name), do: ask(name, request), else: not_found(name)

    :exit, _reason ->
      not_found(name)
  end

  # A supervisor answers after a restart that is under way, or not at all when it stops.
  defp back?(name) do
    Supervisor.which_children(Py.Supervisor)

    case List.keyfind(Supervisor.which_children(@supervisor), name, 0) do
      {^name, pool, _type, _modules} when is_pid(pool) ->
        Supervisor.which_children(pool)
        GenServer.whereis(keeper(name)) != nil

      _none ->
        false
    end
  catch
    :exit, _reason -> false
  end
end
