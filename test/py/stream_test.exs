defmodule Py.StreamTest do
  use Py.Case, async: true

  alias Py.{Context, ContextError, Error}
  alias Py.Stream.Window

  # Notes what it has produced, and that it was closed.
  @source """
  made, closed = [], []
  def counting(limit=None):
      n = 0
      try:
          while limit is None or n < limit:
              made.append(n)
              yield n
              n += 1
      finally:
          closed.append(n)
  def searching():
      while made is None:
          yield
      while True:
          pass
  async def slowly(limit):
      import asyncio
      try:
          for n in range(limit):
              await asyncio.sleep(0)
              yield n
      finally:
          closed.append('async')
  """

  setup do
    context = start_context()
    :ok = Context.exec(context, @source)
    %{context: context}
  end

  defp closed(context), do: Context.eval(context, "closed")

  describe "a lazy stream" do
    test "gives all items of whatever can be iterated over", %{context: context} do
      assert Py.stream(:builtins, :range, [2_500]) |> Enum.to_list() == Enum.to_list(0..2_499)
      assert Py.stream_eval("{'a': 1}.items()") |> Enum.to_list() == [{"a", 1}]
      assert Py.stream_eval("[]") |> Enum.to_list() == []
      stream = Py.stream(:__main__, :slowly, [5], context: context)
      assert Enum.to_list(stream) == [0, 1, 2, 3, 4]
      assert closed(context) == {:ok, ["async"]}
    end

    test "does nothing until it is run, and can be run again", %{context: context} do
      stream = Py.stream(:__main__, :counting, [3], context: context)
      assert Context.eval(context, "made") == {:ok, []}
      assert Enum.to_list(stream) == [0, 1, 2]
      assert Enum.sum(stream) == 3
    end

    test "takes no more from Python than it is asked for", %{context: context} do
      stream = Py.stream(:__main__, :counting, [], context: context, batch: 10)
      assert Enum.take(stream, 15) == Enum.to_list(0..14)
      assert {:ok, made} = Context.eval(context, "len(made)")
      assert made <= 20
    end

    test "closes the generator when it is halted, so that finally blocks run", %{context: context} do
      stream = Py.stream(:__main__, :counting, [], context: context, batch: 10)
      assert Enum.at(stream, 3) == 3
      assert {:ok, [_once]} = closed(context)

      assert catch_throw(Enum.each(stream, fn _ -> throw(:enough) end)) == :enough
      assert {:ok, [_, _]} = closed(context)

      assert Py.stream(:__main__, :slowly, [50], context: context, batch: 1) |> Enum.take(1) == [
               0
             ]

      assert {:ok, [_, _, "async"]} = closed(context)
    end

    test "closes it when the consumer dies", %{context: context} do
      parent = self()

      consumer =
        spawn(fn ->
          Py.stream(:__main__, :counting, [], context: context, batch: 1)
          |> Enum.each(fn n ->
            if n == 3, do: send(parent, :at_three)
            if n == 3, do: receive(do: (:never -> :ok))
          end)
        end)

      assert_receive :at_three, 5_000
      kill(consumer)
      assert eventually(fn -> match?({:ok, [_once]}, closed(context)) end)
    end

    test "gives what came before an error, and raises it" do
      parent = self()
      stream = Py.stream_eval("(1 // n for n in [1, 1, 0, 1])")

      assert_raise Error, ~r/ZeroDivisionError/, fn ->
        Enum.each(stream, &send(parent, {:item, &1}))
      end

      assert_received {:item, 1}
      assert_received {:item, 1}
      refute_received {:item, _}
      assert_raise Error, ~r/TypeError/, fn -> Enum.to_list(Py.stream_eval("1")) end
    end

    test "ends with :timeout when Python takes too long for a batch", %{context: context} do
      code = "import itertools\n(i for i in itertools.repeat(0) if i)"
      stream = Py.stream_eval(code, %{}, context: context, timeout: 50)
      error = catch_error(Enum.to_list(stream))
      assert error == %ContextError{reason: :timeout}
      assert Context.eval(context, "1") == {:ok, 1}
    end

    test "serves callbacks and other requests in between", %{context: context} do
      vars = %{fun: &(&1 * 2)}
      stream = Py.stream_eval("(fun(n) for n in range(5))", vars, context: context, batch: 1)
      same = Stream.map(stream, fn n -> Py.eval!("n", %{n: n}, context: context) end)
      assert Enum.to_list(same) == [0, 2, 4, 6, 8]
    end
  end

  describe "a stream of messages" do
    test "has every item and says when it is done", %{context: context} do
      ref = Py.stream_start(:__main__, :counting, [3], context: context)
      for n <- 0..2, do: assert_receive({:py_stream, ^ref, {:data, ^n}}, 5_000)
      assert_receive {:py_stream, ^ref, :done}, 5_000
    end

    test "tells of an error" do
      ref = Py.stream_start(:builtins, :int, ["x"])
      assert_receive {:py_stream, ^ref, {:error, %Error{type: "ValueError"}}}, 5_000
    end

    test "pauses while its receiver is behind", %{context: context} do
      ref = Py.stream_start(:__main__, :counting, [], context: context, window: 20)
      assert eventually(fn -> queue() >= 20 end)
      assert {:ok, made} = Context.eval(context, "len(made)")
      assert made <= 21
      for n <- 0..99, do: assert_receive({:py_stream, ^ref, {:data, ^n}}, 5_000)
      assert Py.stream_cancel(ref) == :ok
      assert {:ok, [_once]} = closed(context)
    end

    test "minds its own messages only, not those of others", %{context: context} do
      for n <- 1..50, do: send(self(), {:other, n})
      options = [context: context, window: 20]
      for source <- [:counting, :slowly], do: assert(takes_turns(source, options))
      for n <- 1..50, do: assert_received({:other, ^n})
    end

    # Reads 100 items, a few at a time, of which never more than the window wait.
    defp takes_turns(source, options) do
      ref = Py.stream_start(:__main__, source, [1_000], options)

      for n <- 0..99 do
        if rem(n, 10) == 0, do: assert(eventually(fn -> waiting(ref) == 20 end))
        for _ <- 1..5, do: Context.eval(options[:context], "1")
        assert waiting(ref) <= 20
        assert_receive {:py_stream, ^ref, {:data, ^n}}, 5_000
        send(self(), {:other, n + 51})
      end

      for n <- 51..150, do: assert_received({:other, ^n})
      Py.stream_cancel(ref) == :ok
    end

    test "goes on when there are too many messages of others to look through" do
      for n <- 1..100_100, do: send(self(), {:other, n})
      ref = Py.stream_start(:builtins, :range, [3], window: 2)
      for n <- 0..2, do: assert_receive({:py_stream, ^ref, {:data, ^n}}, 5_000)
      assert_receive {:py_stream, ^ref, :done}, 5_000
    end

    test "has a window of its own beside another stream", %{context: context} do
      refs =
        for _ <- 1..2 do
          ref = Py.stream_start(:__main__, :counting, [], context: context, window: 20)
          assert eventually(fn -> waiting(ref) == 20 end)
          ref
        end

      for ref <- refs do
        for n <- 0..99, do: assert_receive({:py_stream, ^ref, {:data, ^n}}, 5_000)
      end

      Enum.each(refs, &Py.stream_cancel/1)
    end

    test "has one for a receiver on another node, too" do
      assert {:ok, {20, items}, _output} = Py.Child.run({Py.Case.Far, :stream, [20, 100]})
      assert items == Enum.to_list(0..99)
    end

    defp waiting(ref), do: self() |> Window.count(ref) |> elem(1)
    defp queue, do: self() |> Process.info(:message_queue_len) |> elem(1)

    test "sends nothing after it was cancelled" do
      ref = Py.stream_start(:itertools, :count)
      assert_receive {:py_stream, ^ref, {:data, 0}}, 5_000
      assert Py.stream_cancel(ref) == :ok
      before = queue()
      assert Py.stream_cancel(ref) == :ok
      {:ok, 1} = Py.eval("1")
      assert queue() == before
    end

    test "ends with its receiver, even while Python works", %{context: context} do
      for source <- [:counting, :searching] do
        receiver = spawn(fn -> receive do: (:never -> :ok) end)
        options = [context: context, owner: receiver, timeout: :infinity]
        Py.stream_start(:__main__, source, [], options)
        kill(receiver)
        assert eventually(fn -> Context.eval(context, "1", %{}, timeout: 1_000) == {:ok, 1} end)
      end
    end

    test "is no less stopped when a struct had to be encoded for it", %{context: context} do
      code = "import erlang\nerlang.send(test, 'begun')\nwhile True: pass"
      vars = %{"test" => self(), "price" => %Py.Case.Money{amount: 5, currency: :eur}}
      options = [context: context, timeout: :infinity]
      ref = Py.stream_start(:builtins, :exec, [code, vars], options)
      assert_receive "begun", 5_000
      assert Py.stream_cancel(ref) == :ok
      assert Context.eval(context, "1") == {:ok, 1}
    end
  end
end
