defmodule Py.Verbs.Async do
  @moduledoc false
  # The verbs of `Py` for coroutine functions. `use` defines and documents them in `Py`.

  import Py.Verbs.Twins

  alias Py.{Object, Request}

  defmacro __using__(_opts) do
    quote location: :keep do
      @doc """
      Starts a coroutine function and goes on; `async_await/2` fetches its result.

      `spawn_call/4` does the same, as calls await what is a coroutine. For results that come as
      messages see `Py.EventLoop.create_task/4`.

          iex> ref = Py.async_call(:asyncio, :sleep, [0, "slept"])
          iex> Py.async_await(ref)
          {:ok, "slept"}

      """
      @spec async_call(atom | binary | Object.t(), atom | binary, list, keyword) :: reference
      def async_call(module_or_object, function, args \\ [], opts \\ []) when is_list(args),
        do: spawn_call(module_or_object, function, args, opts)

      @doc """
      The result of a started coroutine, once; see `await/2`.

          iex> Py.async_await(Py.async_call(:asyncio, :sleep, [0, 1]), 5_000)
          {:ok, 1}

      """
      @spec async_await(reference, timeout | nil) :: result
      def async_await(ref, timeout \\ nil), do: await(ref, timeout)

      @doc """
      Like `async_await/2`, but answers with the value and raises the error.

          iex> Py.async_await!(Py.async_call(:asyncio, :sleep, [0, "slept"]))
          "slept"

      """
      deftwin async_await!(ref :: reference, timeout :: timeout | nil \\ nil) :: term

      @doc """
      Runs coroutine functions at the same time and answers with their results, in their order;
      see `parallel/2`.

          iex> Py.async_gather([{:asyncio, :sleep, [0, 1]}, {:asyncio, :sleep, [0, 2]}])
          [ok: 1, ok: 2]

      """
      @spec async_gather([tuple], keyword) :: [result]
      def async_gather(calls, opts \\ []) when is_list(calls), do: Request.gather(calls, opts)
    end
  end
end
