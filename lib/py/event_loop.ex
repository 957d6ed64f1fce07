defmodule Py.EventLoop do
  @moduledoc """
  Coroutines of Python's `asyncio`, run for processes of the BEAM.

  Every context has an event loop of its own. A coroutine that a call gives is awaited there, so
  `Py.call/4` of an `async def` function answers with its result:

      iex> Py.call(:asyncio, :sleep, [0.001, "slept"])
      {:ok, "slept"}

  While it waits, the same context runs thousands of others, and ordinary calls between them. The
  functions here start coroutines without waiting for them. A task answers by a message,
  `{:async_result, ref, {:ok, value}}` or `{:async_result, ref, {:error, exception}}`:

      iex> ref = Py.EventLoop.create_task(:asyncio, :sleep, [0.001, 42])
      iex> receive do
      ...>   {:async_result, ^ref, result} -> result
      ...> end
      {:ok, 42}

  A task belongs to the process that has created it. When that dies, or calls `cancel/1`, the
  coroutine is cancelled as `asyncio` does it: `asyncio.CancelledError` is raised where it waits,
  and its `finally` blocks run. One that computes instead of waiting is disturbed after 10 ms.

  Without a context a task goes where `Py.call/4` would go: to the context of the caller's
  scheduler, as a rule, so the default pool is a pool of as many loops. A context has room for
  10,000 tasks that are not done; more are answered `:busy`.

  If Python code runs an `erlang.run(...)` of its own in a context, its loop takes the coroutines
  that come while it waits, and ends after they are done.
  """

  import Py.Verbs.Twins

  alias Py.EventLoop.Tasks
  alias Py.{Object, Options, Request}

  @type callee :: atom | binary | Object.t()

  @doc """
  Runs a coroutine function and waits for its result: `Py.call/4` under another name.

      iex> Py.EventLoop.run(:asyncio, :sleep, [0, "done"])
      {:ok, "done"}
      iex> Py.EventLoop.run(Py.context(1), :asyncio, :sleep, [0, "there"])
      {:ok, "there"}

  """
  @spec run(callee, atom | binary, list, keyword) :: Request.result()
  @spec run(Py.context(), callee, atom | binary, list) :: Request.result()
  def run(module_or_context, function_or_module, args_or_function, opts_or_args \\ [])

  def run(module, function, args, opts) when is_list(args),
    do: Py.call(module, function, args, opts)

  def run(context, module, function, args), do: run(context, module, function, args, [])

  @doc "The same with a context and options."
  @spec run(Py.context(), callee, atom | binary, list, keyword) :: Request.result()
  def run(context, module, function, args, opts),
    do: Py.call(module, function, args, [context: context] ++ opts)

  @doc """
  Like `run/4`, but answers with the value and raises the error.

      iex> Py.EventLoop.run!(:asyncio, :sleep, [0, "done"])
      "done"

  """
  deftwin run!(
            module_or_context :: callee | Py.context(),
            function_or_module :: callee,
            args_or_function :: list | atom | binary,
            opts_or_args :: keyword | list \\ []
          ) :: term

  @doc "Like `run/5`, but answers with the value and raises the error."
  deftwin run!(
            context :: Py.context(),
            module :: callee,
            function :: atom | binary,
            args :: list,
            opts :: keyword
          ) :: term

  @doc """
  Starts a coroutine function. The result comes as a message, which `await/2` may receive.

  Errors come as messages, too, even that of a context which does not exist. A plain function will
  do as well.

  ## Options

  #{Options.docs(:create_task)}
  ## Examples

      iex> ref = Py.EventLoop.create_task(:asyncio, :sleep, [0, 1])
      iex> Py.EventLoop.await(ref)
      {:ok, 1}
      iex> ref = Py.EventLoop.create_task(:asyncio, :sleep, [60], timeout: 10)
      iex> {:error, %Py.ContextError{reason: reason}} = Py.EventLoop.await(ref)
      iex> reason
      :timeout

  """
  @spec create_task(callee, atom | binary, list, keyword) :: reference
  @spec create_task(Py.context(), callee, atom | binary, list) :: reference
  def create_task(module_or_context, function_or_module, args_or_function, opts_or_args \\ [])

  def create_task(module, function, args, opts) when is_list(args),
    do: Request.create_task(module, function, args, opts)

  def create_task(context, module, function, args),
    do: create_task(context, module, function, args, [])

  @doc "The same with a context and options."
  @spec create_task(Py.context(), callee, atom | binary, list, keyword) :: reference
  def create_task(context, module, function, args, opts),
    do: create_task(module, function, args, [context: context] ++ opts)

  @doc """
  Receives the result of a task that this process has created, once.

  After `timeout` milliseconds the task is cancelled, and the answer is a `Py.ContextError` with
  the reason `:timeout`.

      iex> ref = Py.EventLoop.create_task(:asyncio, :sleep, [60])
      iex> {:error, %Py.ContextError{reason: reason}} = Py.EventLoop.await(ref, 10)
      iex> reason
      :timeout

  """
  @spec await(reference, timeout) :: Request.result()
  def await(ref, timeout \\ Options.default(:timeout)) when is_reference(ref),
    do: Tasks.await(ref, timeout, & &1)

  @doc """
  Like `await/2`, but answers with the value and raises the error.

      iex> Py.EventLoop.await!(Py.EventLoop.create_task(:asyncio, :sleep, [0, 1]))
      1

  """
  deftwin await!(ref :: reference, timeout :: timeout \\ Options.default(:timeout)) :: term

  @doc """
  Starts a coroutine function that nobody waits for. Should it fail, the error is logged.

      iex> Py.EventLoop.spawn_task(:asyncio, :sleep, [0])
      :ok

  """
  @spec spawn_task(callee, atom | binary, list, keyword) :: :ok | {:error, Exception.t()}
  @spec spawn_task(Py.context(), callee, atom | binary, list) :: :ok | {:error, Exception.t()}
  def spawn_task(module_or_context, function_or_module, args_or_function, opts_or_args \\ [])

  def spawn_task(module, function, args, opts) when is_list(args),
    do: Py.cast(module, function, args, opts)

  def spawn_task(context, module, function, args),
    do: spawn_task(context, module, function, args, [])

  @doc "The same with a context and options."
  @spec spawn_task(Py.context(), callee, atom | binary, list, keyword) ::
          :ok | {:error, Exception.t()}
  def spawn_task(context, module, function, args, opts),
    do: Py.cast(module, function, args, [context: context] ++ opts)

  @doc "Like `spawn_task/4`, but raises the error of a coroutine that could not be started."
  deftwin spawn_task!(
            module_or_context :: callee | Py.context(),
            function_or_module :: callee,
            args_or_function :: list | atom | binary,
            opts_or_args :: keyword | list \\ []
          ) :: :ok

  @doc "Like `spawn_task/5`, but raises the error of a coroutine that could not be started."
  deftwin spawn_task!(
            context :: Py.context(),
            module :: callee,
            function :: atom | binary,
            args :: list,
            opts :: keyword
          ) :: :ok

  @doc """
  Cancels a task. No message comes from it afterwards.

      iex> ref = Py.EventLoop.create_task(:asyncio, :sleep, [60])
      iex> Py.EventLoop.cancel(ref)
      :ok

  """
  @spec cancel(reference) :: :ok
  def cancel(ref) when is_reference(ref), do: Tasks.cancel(ref)
end
