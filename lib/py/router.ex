defmodule Py.Router do
  @moduledoc """
  Pools of contexts, and the choice of one for a call that names none.

  A pool has a slot per context. A call prefers the slot of the scheduler it runs on, which
  keeps caches warm, and steps aside to an idle context when that one is busy. A slot's context
  is opened when it is first wanted, so a large pool costs nothing until it is used, and a
  context that crashes is replaced.

  The application starts two pools. `:default` serves the calls that say nothing else.
  `:worker` has its contexts in the main interpreter, for extension modules that refuse any
  other; what meets such a module moves there by itself. `start_pool/3` starts more:

      {:ok, _contexts} = Py.Router.start_pool(:io, 10, :worker)
      {:ok, _page} = Py.call(:requests, :get, [url], pool: :io)
      :ok = Py.Router.register_pool(:io, :requests)
      {:ok, _page} = Py.call(:requests, :get, [url])

  A pool may also be named in the configuration, where the application starts it with the others,
  or be a child of a supervisor of your own:

      config :erlang_python, pools: [io: [size: 10, mode: :worker, register: [:requests]]]

      children = [{Py.Router, name: :io, size: 10, mode: :worker}]

  `bind_context/1` takes a process out of this choice:

      :ok = Py.Router.bind_context(Py.Router.get_context())
      :ok = Py.exec("x = 42")
      {:ok, 42} = Py.eval("x")
      :ok = Py.Router.unbind_context()

  ## Options

  Of a pool under a supervisor or in the configuration:

  #{Py.Options.docs(:pool)}
  """

  import Py.Verbs.Twins

  alias Py.{Context, ContextError, Mistake, Options}
  alias Py.Request.Inline
  alias Py.Router.{Choice, Pool, Registrations}

  @typedoc "A context: its pid, its registered name, or its 1-based place in the pool"
  @type context :: Context.context() | pos_integer

  @typedoc "A pool: `:default`, `:worker`, or one started by `start_pool/3`"
  @type pool :: atom

  @typedoc "A Python module, with all below it, or one function"
  @type registration :: atom | binary | {atom | binary, atom | binary}

  ## Pools

  @doc """
  Starts the pool `:default` and opens all its contexts; `start/1` on a running pool resizes it.

  ## Options

  #{Options.docs(:start_contexts)}
  ## Example

      {:ok, contexts} = Py.Router.start(contexts: 8)

  """
  @spec start(keyword) :: {:ok, [pid]} | {:error, Exception.t()}
  def start(opts \\ []),
    do: Pool.start(:default, Options.parse!(:start_contexts, opts).contexts, [])

  @doc "Like `start/1`, but answers with the contexts and raises the error."
  deftwin start!(opts :: keyword \\ []) :: [pid]

  @doc """
  Starts a pool linked to the calling process; under a supervisor, write `{Py.Router, options}`.

  The options are those of the configuration, see above. Its contexts are opened when they are
  first wanted. Unlike other pools it can be resized but not be stopped by `stop_pool/2`.

      {:ok, _supervisor} =
        Supervisor.start_link([{Py.Router, name: :io, size: 10}], strategy: :one_for_one)

  """
  @spec start_link(keyword) :: Supervisor.on_start() | {:error, Exception.t()}
  def start_link(opts) do
    {spec, register} = Pool.spec(own_name!(opts), opts)

    with :ok <- Pool.check(spec),
         {:ok, pool} <- Pool.start_link(spec) do
      Enum.each(register, &Registrations.add(&1, elem(spec, 0)))
      {:ok, pool}
    end
  end

  @doc false
  def child_spec(opts) do
    id = {__MODULE__, own_name!(opts)}
    %{id: id, type: :supervisor, start: {__MODULE__, :start_link, [opts]}}
  end

  defp own_name!([{_name, _value} | _rest] = opts),
    do: Keyword.get(opts, :name) || Mistake.unnamed_pool!(opts)

  defp own_name!(opts), do: Mistake.unnamed_pool!(opts)

  @doc """
  Closes every context of the pool `:default`. Calls that go there then answer `:not_found`.

      :ok = Py.Router.stop()

  """
  @spec stop() :: :ok | {:error, Exception.t()}
  def stop, do: Pool.stop(:default, nil)

  @doc "Like `stop/0`, but raises the error."
  deftwin stop!() :: :ok

  @doc """
  Whether there is a pool `:default`.

      iex> Py.Router.started?()
      true

  """
  @spec started?() :: boolean
  def started?, do: pool_started?(:default)

  @doc """
  Starts a pool and opens all its contexts, with a mode or these options:

  #{Options.docs(:start_pool)}
  Those not given are the application's. On a running pool it changes what is given: the size as
  `resize_pool/3` does, an option by replacing all contexts.

  ## Example

      iex> {:ok, contexts} = Py.Router.start_pool(:numeric, 2, :worker)
      iex> length(contexts)
      2
      iex> Py.call(:math, :sqrt, [16], pool: :numeric)
      {:ok, 4.0}
      iex> Py.Router.stop_pool(:numeric)
      :ok

  """
  @spec start_pool(pool, pos_integer, atom | keyword) :: {:ok, [pid]} | {:error, Exception.t()}
  def start_pool(name, size, mode_or_opts \\ [])

  def start_pool(name, size, mode) when is_atom(mode), do: start_pool(name, size, mode: mode)

  def start_pool(name, size, opts)
      when is_atom(name) and name != nil and is_integer(size) and size > 0 do
    with :ok <- Pool.check({name, size, opts}), do: Pool.start(name, size, opts)
  end

  def start_pool(name, size, _opts) when is_atom(name) and name != nil, do: Mistake.size!(size)
  def start_pool(name, _size, _opts), do: Mistake.pool!(name)

  @doc """
  Like `start_pool/3`, but answers with the contexts and raises the error.

      iex> [_one, _two] = Py.Router.start_pool!(:raising, 2)
      iex> Py.Router.stop_pool!(:raising)
      :ok

  """
  deftwin start_pool!(
            name :: pool,
            size :: pos_integer,
            mode_or_opts :: atom | keyword \\ []
          ) :: [pid]

  @doc """
  Gives a running pool another number of contexts.

  New ones are opened when they are first wanted. Those that go get no more requests from the
  pool and finish what they have accepted; the answer comes when they have. What is not done by
  then is interrupted, or answered `:closed` if it was still waiting.

  ## Options

  #{Options.docs(:resize_pool)}
  ## Example

      iex> {:ok, [_one, _two]} = Py.Router.start_pool(:elastic, 2)
      iex> Py.Router.resize_pool(:elastic, 4)
      :ok
      iex> Py.Router.num_contexts(:elastic)
      4
      iex> Py.Router.resize_pool(:elastic, 1, drain: 5_000)
      :ok
      iex> Py.Router.stop_pool(:elastic)
      :ok

  """
  @spec resize_pool(pool, pos_integer, keyword) :: :ok | {:error, Exception.t()}
  def resize_pool(name, size, opts \\ [])

  def resize_pool(name, size, opts) when is_integer(size) and size > 0,
    do: Pool.resize(name, size, Options.parse!(:resize_pool, opts).drain)

  def resize_pool(_name, size, _opts), do: Mistake.size!(size)

  @doc "Like `resize_pool/3`, but raises the error."
  deftwin resize_pool!(name :: pool, size :: pos_integer, opts :: keyword \\ []) :: :ok

  @doc """
  Closes every context of a pool. Calls registered for it then answer `:not_found`.

  The pool `:worker` stays, with no context open.

  ## Options

    * `:drain` - milliseconds that the contexts have to finish what they have accepted, or
      `:infinity`. Default: what the pool was started with

  ## Example

      :ok = Py.Router.stop_pool(:io, drain: 5_000)

  """
  @spec stop_pool(pool, keyword) :: :ok | {:error, Exception.t()}
  def stop_pool(name, opts \\ []) do
    _valid = Options.parse!(:stop_pool, opts)
    Pool.stop(name, opts[:drain])
  end

  @doc "Like `stop_pool/2`, but raises the error."
  deftwin stop_pool!(name :: pool, opts :: keyword \\ []) :: :ok

  @doc """
  Whether there is such a pool.

      iex> Py.Router.pool_started?(:worker)
      true
      iex> Py.Router.pool_started?(:nobody)
      false

  """
  @spec pool_started?(pool) :: boolean
  def pool_started?(name), do: Pool.slots(name) != nil

  @doc """
  How many contexts a pool has, opened or not; 0 when there is no such pool.

      iex> Py.Router.num_contexts() > 0
      true

  """
  @spec num_contexts(pool) :: non_neg_integer
  def num_contexts(pool \\ :default), do: tuple_size(Pool.slots(pool) || {})

  @doc """
  The contexts of a pool that are open, in order.

      iex> Py.Router.get_context(1) in Py.Router.contexts()
      true

  """
  @spec contexts(pool) :: [pid]
  def contexts(pool \\ :default),
    do: for(context when is_pid(context) <- Tuple.to_list(Pool.slots(pool) || {}), do: context)

  ## Registrations

  @doc """
  Sends the calls of a module and of those below it to a pool, or the calls of one function.

  A function's registration beats its module's, which beats that of a package above it. A call
  that names a context or pool, or is made by a bound process, goes there all the same.

      iex> Py.Router.register_pool(:worker, "xml.etree")
      :ok
      iex> Py.Router.register_pool(:default, {"xml.etree.ElementTree", :tostring})
      :ok
      iex> Py.Router.lookup_pool("xml.etree.ElementTree", :parse)
      :worker
      iex> Py.Router.unregister_pool("xml.etree")
      :ok
      iex> Py.Router.list_pool_registrations()
      [{{"xml.etree.ElementTree", "tostring"}, :default}]
      iex> Py.Router.unregister_pool({"xml.etree.ElementTree", :tostring})
      :ok

  """
  @spec register_pool(pool, registration) :: :ok | {:error, ContextError.t()}
  def register_pool(pool, module_or_function) do
    if pool_started?(pool),
      do: Registrations.add(module_or_function, pool),
      else: Pool.not_found(pool)
  end

  @doc "Like `register_pool/2`, but raises the error."
  deftwin register_pool!(pool :: pool, module_or_function :: registration) :: :ok

  @doc """
  Undoes `register_pool/2`. What refuses sub-interpreters will be found out again.

      iex> Py.Router.unregister_pool(:never_registered)
      :ok

  """
  @spec unregister_pool(registration) :: :ok
  def unregister_pool(module_or_function), do: Registrations.remove(module_or_function)

  @doc """
  Has calls of a function run inline wherever they can, as with `inline: true`.

  That saves a hand-over between threads, and holds the caller's scheduler meanwhile: it is for
  functions that take microseconds. One that turns out to be slow goes to a worker for a minute,
  which is logged.

      iex> Py.Router.register_inline({:math, :sqrt})
      :ok
      iex> Py.call(:math, :sqrt, [16])
      {:ok, 4.0}
      iex> Py.Router.unregister_inline({:math, :sqrt})
      :ok

  """
  @spec register_inline({atom | binary, atom | binary}) :: :ok
  def register_inline({_module, _function} = function), do: Inline.register(function)

  @doc """
  Undoes `register_inline/1`.

      iex> Py.Router.unregister_inline({:never, :registered})
      :ok

  """
  @spec unregister_inline({atom | binary, atom | binary}) :: :ok
  def unregister_inline({_module, _function} = function), do: Inline.unregister(function)

  @doc """
  The pool that calls of a function go to.

      iex> Py.Router.lookup_pool(:math, :sqrt)
      :default

  """
  @spec lookup_pool(atom | binary, atom | binary) :: pool
  def lookup_pool(module, function),
    do: Registrations.pool(Registrations.table(), {:call, module, function, [], []}) || :default

  @doc """
  All registrations: `{"module", pool}` and `{{"module", "function"}, pool}`.

      Py.Router.list_pool_registrations()

  """
  @spec list_pool_registrations() :: [{String.t() | {String.t(), String.t()}, pool}]
  def list_pool_registrations, do: Enum.sort(Registrations.table())

  ## The choice

  @doc """
  The context this process's calls go to: the bound one, else that of this scheduler.

      context = Py.Router.get_context()

  """
  @spec get_context() :: pid
  def get_context, do: get_context(:default)

  @doc """
  The context of the pool `:default` with that place, counted from 1, or the context of a pool
  that this process's calls go to. It is opened if it is not yet.

      iex> is_pid(Py.Router.get_context(1))
      true
      iex> is_pid(Py.Router.get_context(:worker))
      true

  """
  @spec get_context(pos_integer | pool) :: pid
  def get_context(place) when is_integer(place), do: bang!(Choice.resolve(place, :default))

  def get_context(pool),
    do: Choice.bound(pool) || bang!(Choice.preferred(pool))

  defp bang!({:ok, context}), do: context
  defp bang!({:error, error}), do: raise(error)

  @doc """
  Sends all calls of this process that name no context to this one.

  `exec` and `eval` then work in the namespace that all users of the context share. Should the
  context end, calls answer `:closed` until the process is bound anew or unbound.

      :ok = Py.Router.bind_context(1)

  """
  @spec bind_context(context) :: :ok | {:error, Exception.t()}
  def bind_context(context), do: bind_context(:default, context)

  @doc """
  The same for what goes to a pool, by name or by registration.

      :ok = Py.Router.bind_context(:worker, 1)

  """
  @spec bind_context(pool, context) :: :ok | {:error, Exception.t()}
  def bind_context(pool, context), do: Choice.bind(pool, context)

  @doc "Like `bind_context/1`, but raises the error."
  deftwin bind_context!(context :: context) :: :ok

  @doc "Like `bind_context/2`, but raises the error."
  deftwin bind_context!(pool :: pool, context :: context) :: :ok

  @doc """
  Undoes `bind_context/1`, or `bind_context/2` for that pool.

      iex> Py.Router.unbind_context()
      :ok

  """
  @spec unbind_context(pool) :: :ok
  def unbind_context(pool \\ :default), do: Choice.unbind(pool)
end
