defmodule Py.Verbs.Spawned do
  @moduledoc false
  # The verbs of `Py` whose calls are not waited for. `use` defines and documents them in `Py`.

  import Py.Verbs.Twins

  alias Py.{Object, Options, Request}
  alias Py.Request.Spawned

  defmacro __using__(_opts) do
    quote location: :keep do
      @doc """
      Starts a call and goes on; `await/2` fetches its answer.

      The reference belongs to this process. When it dies, the call is stopped.

      ## Options

      #{Options.docs(:spawn_call)}
      ## Example

          iex> ref = Py.spawn_call(:math, :factorial, [20])
          iex> Py.await(ref)
          {:ok, 2_432_902_008_176_640_000}

      """
      @spec spawn_call(atom | binary | Object.t(), atom | binary, list, keyword) :: reference
      def spawn_call(module_or_object, function, args \\ [], opts \\ []),
        do: Request.spawn_call(module_or_object, function, args, opts)

      @doc """
      The answer of a spawned call, once.

      Waits for as many milliseconds, or as the call's option `timeout:` says; then the call is
      stopped and the answer is `:timeout`. A call that was awaited already, or that another
      process made, answers `:not_found`.

          iex> ref = Py.spawn_call(:math, :sqrt, [16])
          iex> Py.await(ref, 5_000)
          {:ok, 4.0}
          iex> {:error, %Py.ContextError{reason: reason}} = Py.await(ref)
          iex> reason
          :not_found

      """
      @spec await(reference, timeout | nil) :: result
      defdelegate await(ref, timeout \\ nil), to: Spawned

      @doc """
      Like `await/2`, but answers with the value and raises the error.

          iex> Py.await!(Py.spawn_call(:math, :sqrt, [16]))
          4.0

      """
      deftwin await!(ref :: reference, timeout :: timeout | nil \\ nil) :: term

      @doc """
      The answers of several spawned calls, in their order. The time is one for all of them.

          iex> refs = for n <- [4, 9, 16], do: Py.spawn_call(:math, :sqrt, [n])
          iex> Py.await_many(refs)
          [ok: 2.0, ok: 3.0, ok: 4.0]

      """
      @spec await_many([reference], timeout) :: [result]
      defdelegate await_many(refs, timeout \\ Options.default(:timeout)), to: Spawned

      @doc """
      Stops a spawned call; `await/2` then answers `:interrupted`.

      A call that was awaited already, or that another process made, answers `:not_found`, as it
      does when it is awaited, and is not stopped.

          iex> ref = Py.spawn_call(:time, :sleep, [0.01])
          iex> Py.cancel(ref)
          :ok
          iex> Py.await(ref)
          {:error, %Py.ContextError{reason: :interrupted}}

      """
      @spec cancel(reference) :: :ok | {:error, Exception.t()}
      defdelegate cancel(ref), to: Spawned

      @doc "Like `cancel/1`, but raises the error."
      deftwin cancel!(ref :: reference) :: :ok

      @doc """
      Starts a call that nobody waits for. Should it fail, the error is logged.

      The casts of one process to one context run in their order.

      ## Options

      #{Options.docs(:cast)}
      ## Example

          iex> Py.cast(:builtins, :print, [""], kwargs: [end: ""])
          :ok

      """
      @spec cast(atom | binary | Object.t(), atom | binary, list, keyword) ::
              :ok | {:error, Exception.t()}
      def cast(module_or_object, function, args \\ [], opts \\ []),
        do: Request.cast(module_or_object, function, args, opts)

      @doc """
      Like `cast/4`, but raises the error of a call that could not be started.

          iex> Py.cast!(:builtins, :print, [""], kwargs: [end: ""])
          :ok

      """
      deftwin cast!(
                module_or_object :: atom | binary | Object.t(),
                function :: atom | binary,
                args :: list \\ [],
                opts :: keyword \\ []
              ) :: :ok

      @doc """
      Runs calls at the same time and answers with their results, in their order.

      Each is `{module, function, args}`, or has options of its own as a fourth element. The
      options are those of `spawn_call/4`; the time is one for all calls. Short calls of one
      function go to a context several at a time, as in `map/4`.

          iex> Py.parallel([{:math, :sqrt, [16]}, {:math, :sqrt, [25]}])
          [ok: 4.0, ok: 5.0]

      """
      @spec parallel([tuple], keyword) :: [result]
      def parallel(calls, opts \\ []), do: Request.parallel(calls, opts)

      @doc """
      Calls a function with each element, in all contexts of the pool, and answers with the results
      in their order.

      Elements travel in batches, whose size follows from how long the calls take, so that a
      short one costs little more than in Python. An element that fails has an error in its
      place.

      ## Options

      #{Options.docs(:map)}
      ## Example

          iex> Py.map([16, 25, -1], :math, :isqrt)
          ...> |> Enum.map(fn {:ok, root} -> root; {:error, error} -> error.type end)
          [4, 5, "ValueError"]

      """
      @spec map(Enumerable.t(), atom | binary | Object.t(), atom | binary, keyword) :: [result]
      def map(enumerable, module_or_object, function, opts \\ []),
        do: Request.map(enumerable, module_or_object, function, opts)
    end
  end
end
