defmodule Py do
  @moduledoc """
  Python as if it were a local library: parallel, interruptible, supervised.

      iex> Py.call(:math, :sqrt, [16])
      {:ok, 4.0}
      iex> Py.eval("[n ** 2 for n in range(count)]", %{count: 4})
      {:ok, [0, 1, 4, 9]}

  Every verb answers `{:ok, value}` or `{:error, exception}`, and its twin with a `!` raises that
  exception. There are four: `Py.Error` (Python raised), `Py.ContextError` (a context could not),
  `Py.ConversionError` (a value has no counterpart) and `Py.StartError` (Python cannot start).

  ## Where code runs

  Python runs in contexts, each with its own thread and, from Python 3.12 on, its own interpreter
  and GIL. A call of a module's function goes to whichever context of the pool is at hand, so
  many processes call in parallel:

      1..100
      |> Task.async_stream(fn n -> Py.call!(:math, :factorial, [n]) end)
      |> Enum.map(fn {:ok, value} -> value end)

  `exec` binds the calling process to one context and gives it a namespace of its own there,
  which its later `exec`, `eval` and calls of `:__main__` use and which ends with the process:

      iex> Py.exec("def greet(name): return f'Hello, {name}!'")
      :ok
      iex> Py.call(:__main__, :greet, ["BEAM"])
      {:ok, "Hello, BEAM!"}
      iex> Task.await(Task.async(fn -> Py.call(:__main__, :greet, ["BEAM"]) end))
      ...> |> elem(0)
      :error

  To share definitions between processes, name a context: `context: Py.context(1)`, or one of
  your own, supervised by `Py.Context`.
  """

  import Py.Verbs.Twins

  alias Py.{Buffer, JSON, Mistake, Mode, Native, Object, Options, Request, Router, Runtime}
  alias Py.Callback.Registry

  @typedoc "Where to run: a context's pid or registered name, or a 1-based place in the pool"
  @type context :: Router.context()

  @type result :: {:ok, term} | {:error, Exception.t()}

  ## Calls

  @doc """
  Calls a function of a module, or a method of an object.

  Names are atoms or binaries and may be dotted: `Py.call("os.path", "join", ["a", "b"])`. The
  module is imported where it runs. `:__main__` is the namespace that `exec/2` fills.

  ## Options

  #{Options.docs(:call)}
  ## Examples

      iex> Py.call(:math, :gcd, [12, 18])
      {:ok, 6}
      iex> Py.call(:json, :dumps, [%{"b" => 1, "a" => 2}], kwargs: [sort_keys: true])
      {:ok, ~s({"a": 2, "b": 1})}
      iex> deque = Py.call!(:collections, :deque, [[1, 2, 3]])
      iex> Py.call(deque, :popleft)
      {:ok, 1}
      iex> {:error, %Py.Error{type: type}} = Py.call(:math, :sqrt, [-1])
      iex> type
      "ValueError"

  """
  @spec call(atom | binary | Object.t(), atom | binary, list, keyword) :: result
  def call(module_or_object, function, args \\ [], opts \\ []),
    do: Request.call(module_or_object, function, args, opts)

  @doc """
  Evaluates code to the value of its last expression.

  Statements may come before it. With `vars`, the code runs in a copy of the namespace in which
  they are variables, so names it assigns do not stay.

  ## Options

  #{Options.docs(:eval)}
  ## Examples

      iex> Py.eval("2 ** 100")
      {:ok, 1_267_650_600_228_229_401_496_703_205_376}
      iex> Py.eval("x + y", %{x: 1, y: 2})
      {:ok, 3}
      iex> Py.eval(\"\"\"
      ...> import statistics
      ...> statistics.mean(samples)
      ...> \"\"\", samples: [1, 2, 3, 4])
      {:ok, 2.5}

  """
  @spec eval(binary, map | keyword, keyword) :: result
  def eval(code, vars \\ %{}, opts \\ []),
    do: Request.eval(code, vars, opts)

  @doc """
  Executes code for what it defines and does.

  ## Options

  #{Options.docs(:exec)}
  ## Example

      iex> Py.exec("counter = 41")
      :ok
      iex> Py.exec("counter += 1")
      :ok
      iex> Py.eval("counter")
      {:ok, 42}

  """
  @spec exec(binary, keyword) :: :ok | {:error, Exception.t()}
  def exec(code, opts \\ []), do: Request.exec(code, opts)

  @doc """
  Like `call/4`, but answers with the value and raises the error.

      iex> Py.call!(:math, :factorial, [20])
      2_432_902_008_176_640_000

  """
  deftwin call!(
            module_or_object :: atom | binary | Object.t(),
            function :: atom | binary,
            args :: list \\ [],
            opts :: keyword \\ []
          ) :: term

  @doc """
  Like `eval/3`, but answers with the value and raises the error.

      iex> Py.eval!("'-'.join(parts)", %{parts: ["a", "b"]})
      "a-b"

  """
  deftwin eval!(code :: binary, vars :: map | keyword \\ %{}, opts :: keyword \\ []) :: term

  @doc """
  Like `exec/2`, but raises the error.

      iex> Py.exec!("import json")
      :ok

  """
  deftwin exec!(code :: binary, opts :: keyword \\ []) :: :ok

  ## Calls that are not waited for, and streams

  use Py.Verbs.Spawned
  use Py.Verbs.Async
  use Py.Verbs.Streams

  ## Functions for Python

  @doc """
  Makes a function callable from Python, as `erlang.name(...)` or `from erlang import name`.

  A function of one argument gets the list of all arguments; one of any other arity is applied
  to them. It runs in the process whose call Python is executing; see the guide
  "Callbacks".

  Its time is part of the time of that call. But as that process is busy with the function,
  nothing ends it before it returns: a call whose time is over by then answers `:timeout`, later
  than its `timeout:` says. Give what may take long, such as a `GenServer.call/3`, a time of its
  own.

      iex> Py.register_function(:doc_add, fn a, b -> a + b end)
      :ok
      iex> Py.eval("import erlang\\nerlang.doc_add(1, 2) + erlang.call('doc_add', 3, 4)")
      {:ok, 10}
      iex> Py.unregister_function(:doc_add)
      :ok

  """
  @spec register_function(atom | binary, fun) :: :ok | {:error, Exception.t()}
  def register_function(name, fun) when is_function(fun, 1), do: Registry.add(name, {:list, fun})
  def register_function(name, fun) when is_function(fun), do: Registry.add(name, {:applied, fun})
  def register_function(_name, other), do: Mistake.function!(other)

  @doc """
  Makes a function of a module callable from Python; it is applied to the arguments.

      iex> Py.register_function(:doc_upcase, String, :upcase)
      :ok
      iex> Py.eval("__import__('erlang').doc_upcase('beam')")
      {:ok, "BEAM"}
      iex> Py.unregister_function(:doc_upcase)
      :ok

  """
  @spec register_function(atom | binary, module, atom) :: :ok | {:error, Exception.t()}
  def register_function(name, module, function) when is_atom(module) and is_atom(function),
    do: Registry.add(name, {module, function})

  def register_function(_name, module, function), do: Mistake.function!({module, function})

  @doc """
  Like `register_function/2`, but raises the error.

      iex> Py.register_function!(:doc_double, fn [n] -> 2 * n end)
      :ok
      iex> Py.unregister_function!(:doc_double)
      :ok

  """
  deftwin register_function!(name :: atom | binary, fun :: fun) :: :ok

  @doc "Like `register_function/3`, but raises the error."
  deftwin register_function!(name :: atom | binary, module :: module, function :: atom) :: :ok

  @doc """
  Undoes `register_function/2`.

      iex> Py.unregister_function(:never_registered)
      :ok

  """
  @spec unregister_function(atom | binary) :: :ok | {:error, Exception.t()}
  defdelegate unregister_function(name), to: Registry, as: :remove

  @doc "Like `unregister_function/1`, but raises the error."
  deftwin unregister_function!(name :: atom | binary) :: :ok

  ## Objects

  @doc """
  Runs a function inside a context manager: Python's `with` statement.

  The function gets what `__enter__` gives, and its value is the value of all. An exception goes
  to `__exit__`, as Python's own if it was Python that raised it; if that deals with it, the
  value is `nil`. Errors are raised.

      iex> lock = Py.eval!("__import__('threading').Lock()", %{}, return: :object)
      iex> Py.with(lock, fn _entered -> Py.Object.call_method!(lock, :locked) end)
      true
      iex> Py.Object.call_method(lock, :locked)
      {:ok, false}

  """
  @spec with(Object.t(), (term -> result)) :: result | nil when result: term
  def with(%Object{} = object, fun) when is_function(fun, 1),
    do: Object.Manager.run(object, fun)

  def with(%Object{}, other), do: Mistake.manager!(other)
  def with(other, _fun), do: Mistake.object!(other)

  ## Values

  @doc """
  A binary that is to be Python `bytes`. Without this, valid UTF-8 becomes `str`.

      iex> Py.eval("type(data).__name__", %{data: Py.bytes("abc")})
      {:ok, "bytes"}

  """
  @spec bytes(binary) :: {:bytes, binary}
  def bytes(binary) when is_binary(binary), do: {:bytes, binary}
  def bytes(other), do: Mistake.binary!(other)

  @doc """
  A binary that Python reads in place, without a copy. See `Py.Buffer`.

      iex> Py.eval("bytes(memoryview(data)[:3])", %{data: Py.buffer("abcdef")})
      {:ok, "abc"}

  """
  @spec buffer(binary) :: Buffer.t()
  def buffer(binary), do: Buffer.new(binary)

  @doc """
  JSON text that is to be in Python what it says. See `Py.JSON`.

      iex> Py.call(:builtins, :sorted, [Py.json("[3, 1, 2]")])
      {:ok, [1, 2, 3]}

  """
  @spec json(iodata) :: JSON.t()
  def json(text), do: JSON.new(text)

  @doc """
  Another descriptor for the same open file or socket, to hand off or to give to Python.

  It lets both sides close theirs on their own. `Py.Reactor.handoff/2` takes it over, and Python
  code that gets it closes it, as `socket.socket(fileno=fd)` does. The error is a POSIX name, such
  as `:ebadf`.

      iex> {:ok, socket} = :gen_tcp.listen(0, [])
      iex> {:ok, fd} = :inet.getfd(socket)
      iex> {:ok, duplicate} = Py.dup_fd(fd)
      iex> Py.call(:os, :close, [duplicate])
      {:ok, nil}
      iex> Py.dup_fd(-1)
      {:error, :ebadf}

  """
  @spec dup_fd(non_neg_integer) :: {:ok, non_neg_integer} | {:error, :inet.posix()}
  def dup_fd(fd) when is_integer(fd), do: Native.fd_duplicate(fd)

  @doc """
  Like `dup_fd/1`, but answers with the descriptor and raises a `File.Error`.

      iex> duplicate = Py.dup_fd!(0)
      iex> Py.call!(:os, :close, [duplicate])
      nil

  """
  @spec dup_fd!(non_neg_integer) :: non_neg_integer
  def dup_fd!(fd) do
    case dup_fd(fd) do
      {:ok, duplicate} ->
        duplicate

      {:error, name} ->
        raise File.Error, reason: name, action: "duplicate descriptor", path: "#{fd}"
    end
  end

  ## Contexts

  @doc """
  The context that this process's calls go to: the bound one, else its scheduler's in the pool.

      iex> is_pid(Py.context())
      true

  """
  @spec context() :: pid
  defdelegate context(), to: Router, as: :get_context

  @doc """
  The context with that place in the pool, counted from 1. All its users share one namespace.

      iex> context = Py.context(1)
      iex> Py.exec("shared = 7", context: context)
      :ok
      iex> Py.eval("shared", %{}, context: context)
      {:ok, 7}

  """
  @spec context(pos_integer) :: pid
  defdelegate context(place), to: Router, as: :get_context

  @doc """
  Starts the pool, which the application does by itself, and opens all its contexts.

  ## Options

  #{Options.docs(:start_contexts)}
  ## Example

      {:ok, contexts} = Py.start_contexts(contexts: 8)

  """
  @spec start_contexts(keyword) :: {:ok, [pid]} | {:error, Exception.t()}
  defdelegate start_contexts(opts \\ []), to: Router, as: :start

  @doc """
  Like `start_contexts/1`, but answers with the contexts and raises the error.

      contexts = Py.start_contexts!(contexts: 8)

  """
  deftwin start_contexts!(opts :: keyword \\ []) :: [pid]

  @doc """
  Closes the contexts of the pool. Calls that name no context answer `:not_found` from then on.

      :ok = Py.stop_contexts()

  """
  @spec stop_contexts() :: :ok | {:error, Exception.t()}
  defdelegate stop_contexts(), to: Router, as: :stop

  @doc "Like `stop_contexts/0`, but raises the error."
  deftwin stop_contexts!() :: :ok

  @doc """
  Whether there is a pool.

      iex> Py.contexts_started?()
      true

  """
  @spec contexts_started?() :: boolean
  defdelegate contexts_started?(), to: Router, as: :started?

  ## Modules

  @doc """
  Reads a module's source again wherever it has been imported, with the modules below it.

  The answer has the names of what was reloaded: none when no context has it yet. What code has
  taken from the module before, such as functions in variables, stays as it was. Errors are as with
  `Py.Venv.activate/1`.

      iex> Py.call(:colorsys, :rgb_to_hls, [0, 0, 0])
      {:ok, {0.0, 0.0, 0.0}}
      iex> Py.reload(:colorsys)
      {:ok, ["colorsys"]}

  """
  @spec reload(atom | binary) :: {:ok, [String.t()]} | {:error, Exception.t()}
  defdelegate reload(module), to: Py.Context.Each

  @doc """
  Like `reload/1`, but answers with the names and raises the error.

      iex> Py.call!(:colorsys, :rgb_to_hls, [0, 0, 0])
      iex> Py.reload!(:colorsys)
      ["colorsys"]

  """
  deftwin reload!(module :: atom | binary) :: [String.t()]

  ## Memory

  use Py.Verbs.Memory

  ## Facts

  @doc """
  The version of Python, as `sys.version` has it.

      iex> Py.version() =~ ~r/^3\\.\\d+\\.\\d+/
      true

  """
  @spec version() :: String.t()
  def version, do: Runtime.info().version

  @doc """
  How contexts execute Python: see `Py.Mode`.

      iex> Py.execution_mode() in [:subinterp, :free_threaded, :multi_executor, :worker]
      true

  """
  @spec execution_mode() :: :subinterp | :free_threaded | :multi_executor | :worker
  defdelegate execution_mode(), to: Mode

  @doc """
  Whether this Python has sub-interpreters.

      iex> is_boolean(Py.subinterp_supported?())
      true

  """
  @spec subinterp_supported?() :: boolean
  defdelegate subinterp_supported?(), to: Mode

  @doc """
  Everything known about the running Python, as a map: `:version`, `:version_info`,
  `:executable`, `:prefix`, `:libpython`, `:free_threaded`, `:execution_mode`, `:modes`,
  `:num_contexts` (size of the pool `:default`), `:pools` (of each its `:size` and how many of its
  contexts are `:open` and `:busy`, and `:queue`, the requests that wait there), `:open_contexts`
  (all that are open, in pools or not),
  `:abandoned_interpreters`, `:abandoned_threads` (of contexts that were given up while their code
  ran), `:otp` and `:elixir`.

      iex> %{version_info: {3, _minor, _patch}} = Py.info()

  """
  @spec info() :: map
  defdelegate info(), to: Runtime
end
