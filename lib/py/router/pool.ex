defmodule Py.Router.Pool do
  @moduledoc false

  # A pool is two processes: a supervisor of contexts and the keeper of their slots. Choosing a
  # context needs neither, only the slots; the keeper is asked when those have to change. The two
  # are under `Py.Router.Supervisor`, or under a supervisor of the user's.

  use Supervisor

  alias Py.{ContextError, Deadline, Mode, Native, Options, Orphans, StartError}
  alias Py.Request.{Settings, Waiting}
  alias Py.Router.{Drain, Keeper, Registrations}

  @supervisor Py.Router.Supervisor

  # Whose child a pool is.
  @parent {__MODULE__, :parent}

  @type name :: atom
  @type slots :: tuple
  @type spec :: {name, size :: pos_integer | nil, opts :: keyword}

  @doc "A tuple with the pid of each context, `nil` where none is open; `nil` without a pool."
  @spec slots(name) :: slots | nil
  def slots(name), do: Settings.table(:slots)[name]

  @doc "The pools there are."
  @spec names() :: [name]
  def names, do: Enum.sort(Map.keys(Settings.table(:slots)))

  @doc "Starts a pool or changes a running one, and opens all its contexts."
  @spec start(name, pos_integer | nil, keyword) :: {:ok, [pid]} | {:error, Exception.t()}
  def start(name, size, opts) do
    started = Supervisor.start_child(@supervisor, child_spec({name, size, opts}))

    case {started, change(name, size, opts)} do
      {{:ok, _pool}, {:error, _error} = failed} -> with :ok <- stop(name, nil), do: failed
      # Contexts cannot change their mode; others take their place.
      {_running, {:replace, opts}} -> with :ok <- stop(name, nil), do: start(name, size, opts)
      {_started, answer} -> answer
    end
  catch
    :exit, _application_is_stopped -> not_found(name)
  end

  defp change(name, size, opts) do
    with :unchanged <- ask(name, {:change, opts}),
         :ok <-
           if(size, do: resize(name, size, Options.parse!(:resize_pool, []).drain), else: :ok),
         do: ask(name, :open)
  end

  @doc "Gives a pool another size. Contexts that go have so many milliseconds to finish."
  @spec resize(name, pos_integer, timeout) :: :ok | {:error, Exception.t()}
  def resize(name, size, drain) do
    case ask(name, {:resize, size}) do
      {:ok, []} -> :ok
      {:ok, retired} -> Task.await(retire(name, retired, drain), :infinity)
      error -> error
    end
  end

  # A task goes on when the caller does not.
  defp retire(name, retired, drain) do
    Task.Supervisor.async_nolink(Py.TaskSupervisor, fn ->
      Drain.run(Enum.map(retired, &elem(&1, 1)), drain)
      ask(name, {:close, Enum.map(retired, &elem(&1, 0))})
    end)
  end

  @doc """
  Closes all contexts of a pool and takes it away, after `drain` milliseconds or the pool's own
  time for that. There is a pool `:worker` at all times.
  """
  @spec stop(name, timeout | nil) :: :ok | {:error, Exception.t()}
  def stop(name, drain) do
    if slots(name) != nil and parent(name) != Process.whereis(@supervisor) do
      supervised(name)
    else
      if drain && slots(name), do: ask(name, {:drain, drain})
      terminate(name)
    end
  catch
    :exit, _application_is_stopped -> not_found(name)
  end

  defp terminate(name) do
    with :ok <- Supervisor.terminate_child(@supervisor, name) do
      if name == :worker,
        do: Supervisor.restart_child(@supervisor, name),
        else: Supervisor.delete_child(@supervisor, name)
    end

    :ok
  end

  @doc "The context of a slot, opened if need be. It goes on to open when the time is over."
  @spec open(name, non_neg_integer, timeout) :: {:ok, pid} | {:error, Exception.t()}
  def open(name, index, timeout), do: ask(name, {:open, index}, timeout)

  @doc "Takes ended contexts out of the slots; `:unchanged` if they are as the caller saw them."
  @spec renew(name, slots, timeout) :: {:ok, :renewed | :unchanged} | {:error, Exception.t()}
  def renew(name, seen, timeout), do: ask(name, {:renew, seen}, timeout)

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

  @doc "How many contexts a pool has, how many of them are open and busy, and what waits there."
  @spec info(name) :: %{
          size: non_neg_integer,
          open: non_neg_integer,
          busy: non_neg_integer,
          queue: non_neg_integer
        }
  def info(name) do
    slots = Tuple.to_list(slots(name) || {})
    open = for pid when is_pid(pid) <- slots, {:ok, info} <- [Native.context_info(pid)], do: info

    %{
      size: length(slots),
      open: length(open),
      busy: Enum.count(open, & &1.running),
      queue: open |> Enum.map(& &1.queue) |> Enum.sum()
    }
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

  defp supervised(name) do
    details =
      "the pool #{inspect(name)} is a child of #{inspect(parent(name))}, which alone starts and " <>
        "stops it: Supervisor.terminate_child/2 there, or other options in its child specification"

    {:error, %ContextError{reason: :supervised, details: details}}
  end

  ## For the keeper

  @doc "Replaces the slots."
  @spec publish(name, slots) :: :ok
  def publish(name, slots), do: Settings.update(:slots, &Map.put(&1, name, slots))

  @doc "Takes the slots away."
  @spec unpublish(name) :: :ok
  def unpublish(name), do: Settings.update(:slots, &Map.delete(&1, name))

  @doc "The options of a pool; those not given are the application's."
  @spec options(name, keyword) :: map
  def options(name, opts) do
    mode = if name == :worker, do: :worker, else: Options.env(:mode)
    others = for key <- [:max_queue, :grace, :drain], do: {key, Options.env(key)}
    Options.parse!(:start_pool, [mode: mode] ++ others ++ opts)
  end

  # A user may supervise a pool, whose names must not depend on a process of ours. Atoms are made
  # from atoms here, three for a pool.
  @doc "The name of a pool's own supervisor."
  @spec supervisor(name) :: atom
  def supervisor(name), do: :"#{inspect(__MODULE__)}.#{name}"

  @doc "The name of the supervisor of a pool's contexts."
  @spec contexts(name) :: atom
  def contexts(name), do: :"#{inspect(__MODULE__)}.#{name}.contexts"

  @doc "The name of a pool's keeper."
  @spec keeper(name) :: atom
  def keeper(name), do: :"#{inspect(__MODULE__)}.#{name}.keeper"

  ## Processes

  @doc "What a pool is called, has and is to be like, if this Python can run it."
  @spec check(spec) :: :ok | {:error, StartError.t()}
  def check({name, _size, opts}) do
    with {:ok, mode} <- Mode.fetch(options(name, opts).mode), do: fits(name, mode.name)
  end

  defp fits(:worker, mode) when mode != :worker do
    details = "the pool :worker is there for what needs the main interpreter"
    {:error, %StartError{reason: :unsupported_mode, details: details}}
  end

  defp fits(_name, _mode), do: :ok

  @doc "The pools that the application starts, and what the configuration registers for them."
  @spec configured() :: [{spec, [Registrations.key()]}]
  def configured do
    pools = Options.env(:pools)
    first = for name <- [:default, :worker], do: {name, Keyword.get(pools, name, [])}
    for {name, opts} <- first ++ Keyword.drop(pools, [:default, :worker]), do: spec(name, opts)
  end

  @doc "The options of a child specification, taken apart."
  @spec spec(name, keyword) :: {spec, [Registrations.key()]}
  def spec(name, opts) do
    %{size: size, register: register} = Options.parse!(:pool, opts)

    {{name, size, Keyword.take(opts, [:mode, :max_queue, :memory_limit, :grace, :drain])},
     register}
  end

  @doc false
  def child_spec({name, _size, _opts} = spec),
    do: %{id: name, type: :supervisor, start: {__MODULE__, :start_link, [spec]}}

  @doc false
  @spec start_link(spec) :: Supervisor.on_start()
  def start_link({name, _size, _opts} = spec) do
    end_orphans(name)
    Supervisor.start_link(__MODULE__, {spec, self()}, name: supervisor(name))
  end

  # The contexts first: a keeper that crashes finds them again, and without them it starts anew.
  # It is also the first to go, and drains them.
  @impl true
  def init({{name, _size, _opts} = spec, parent}) do
    :persistent_term.put({@parent, name}, parent)
    Supervisor.init([contexts_spec(name), {Keeper, spec}], strategy: :rest_for_one)
  end

  # Those of a pool whose supervisor was killed, or whose own supervisor's supervisor was.
  defp end_orphans(name) do
    unless Process.whereis(supervisor(name)) && alive?(parent(name)),
      do: Orphans.finish([supervisor(name), keeper(name), contexts(name)])
  end

  defp alive?(pid), do: is_pid(pid) and Process.alive?(pid)

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

  defp parent(name), do: :persistent_term.get({@parent, name}, nil)

  defp ask(name, request, timeout \\ :infinity),
    do: ask_until(Deadline.new(timeout), name, request)

  # The keeper is busy while it opens a context. An answer that comes too late is dropped by the
  # alias that the call was made with.
  defp ask_until(deadline, name, request) do
    GenServer.call(keeper(name), request, Deadline.left(deadline))
  catch
    :exit, {:timeout, _call} ->
      Waiting.timeout()

    :exit, {reason, _call} when reason in [:noproc, :shutdown, :killed] ->
      case back(name, deadline) do
        :back -> ask_until(deadline, name, request)
        :late -> Waiting.timeout()
        :gone -> not_found(name)
      end

    :exit, _reason ->
      not_found(name)
  end

  # A supervisor answers after a restart that is under way, or not at all when it stops.
  defp back(name, deadline) do
    answered(Process.whereis(Py.Supervisor), deadline)
    for pid <- [parent(name), Process.whereis(supervisor(name))], do: answered(pid, deadline)
    if Process.whereis(keeper(name)), do: :back, else: :gone
  catch
    :exit, {:timeout, _call} -> :late
    :exit, _reason -> :gone
  end

  # What `Supervisor.which_children/1` asks, which waits for ever.
  defp answered(pid, deadline),
    do: if(supervisor?(pid), do: GenServer.call(pid, :which_children, Deadline.left(deadline)))

  # Whoever has called `start_link` may be any process.
  defp supervisor?(pid) do
    alive?(pid) and
      match?({:supervisor, _module, _arity}, :proc_lib.translate_initial_call(pid))
  end
end
