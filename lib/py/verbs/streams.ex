defmodule Py.Verbs.Streams do
  @moduledoc false
  # The verbs of `Py` for streams. `use` defines and documents them in `Py`.

  alias Py.{Object, Options, Request}
  alias Py.Stream.Push

  defmacro __using__(_opts) do
    quote location: :keep do
      @doc """
      A lazy stream over what a function returns: a generator, an asynchronous one, any iterable.

      The function is called when the stream is run, and Python produces a batch at a time, when
      it is asked for. Once enough has been taken, or the process dies, the generator is closed,
      so that its `finally` blocks run. An error is raised.

      ## Options

      #{Options.docs(:stream)}
      ## Example

          iex> Py.stream(:itertools, :count, [10]) |> Stream.map(&(&1 * 2)) |> Enum.take(3)
          [20, 22, 24]

      """
      @spec stream(atom | binary | Object.t(), atom | binary, list, keyword) :: Enumerable.t()
      def stream(module_or_object, function, args \\ [], opts \\ []),
        do: Request.stream(module_or_object, function, args, opts)

      @doc """
      A lazy stream over the value of code, such as a generator expression.

      ## Options

      #{Options.docs(:stream_eval)}
      ## Example

          iex> Py.stream_eval("(n * n for n in range(count))", %{count: 4}) |> Enum.to_list()
          [0, 1, 4, 9]

      """
      @spec stream_eval(binary, map | keyword, keyword) :: Enumerable.t()
      def stream_eval(code, vars \\ %{}, opts \\ []),
        do: Request.stream_eval(code, vars, opts)

      @doc """
      Starts a stream that comes as messages.

      They are `{:py_stream, ref, {:data, item}}` and at the end `{:py_stream, ref, :done}` or
      `{:py_stream, ref, {:error, exception}}`. The stream pauses while its receiver is behind,
      and ends with it. `stream_cancel/1` ends it earlier.

      How far the receiver is behind is seen in its mailbox, without an acknowledgement. A
      receiver on another node is looked at from here as well; if this library is not there,
      messages of others count like those of the stream. A receiver that has over 100,000 messages
      of others gets the items slowly.

      ## Options

      #{Options.docs(:stream_start)}
      ## Example

          iex> ref = Py.stream_start(:builtins, :range, [2])
          iex> for _ <- 1..3, do: receive(do: ({:py_stream, ^ref, event} -> event))
          [{:data, 0}, {:data, 1}, :done]

      """
      @spec stream_start(atom | binary | Object.t(), atom | binary, list, keyword) :: reference
      def stream_start(module_or_object, function, args \\ [], opts \\ []),
        do: Request.stream_start(module_or_object, function, args, opts)

      @doc """
      Ends a stream of messages. None comes after this, except those that are in the mailbox
      already.

          iex> ref = Py.stream_start(:itertools, :count)
          iex> Py.stream_cancel(ref)
          :ok

      """
      @spec stream_cancel(reference) :: :ok
      defdelegate stream_cancel(ref), to: Push, as: :cancel
    end
  end
end
