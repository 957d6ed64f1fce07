defmodule Py.ChannelTest do
  use Py.Case, async: true

  doctest Py.Channel

  alias Py.{Channel, Context, Error}

  setup do
    {:ok, channel} = Channel.new()
    %{channel: channel}
  end

  defp python(code, vars, opts \\ []), do: Py.eval(code, vars, opts)

  # Until so many wait at the channel, for a message or for room.
  defp waiting(channel, who, count),
    do: assert(eventually(fn -> Map.fetch!(Channel.info(channel), who) == count end))

  describe "messages" do
    test "keep their order and their values, both ways", %{channel: channel} do
      values = [nil, true, :atom, 1, 1.5, "text", <<255>>, [1, [2]], {1, {2}}, %{"k" => nil}]
      for value <- values, do: :ok = Channel.send(channel, value)
      {:ok, back} = Channel.new()
      code = "for _ in range(n): back.send(channel.receive())"
      assert python(code, %{channel: channel, back: back, n: length(values)}) == {:ok, nil}
      assert for(_ <- values, do: Channel.receive(back)) == Enum.map(values, &{:ok, &1})
      assert %{size: 0, messages: 0} = Channel.info(back)
    end

    test "may be None, which is not the same as none", %{channel: channel} do
      Channel.send(channel, nil)
      code = "[channel.try_receive('nothing'), channel.try_receive('nothing')]"
      assert python(code, %{channel: channel}) == {:ok, [nil, "nothing"]}
      assert python("channel.try_receive()", %{channel: channel}) == {:ok, nil}
    end

    test "may be structs with an encoder", %{channel: channel} do
      user = %Py.Case.User{name: "Ada", password: "secret"}
      assert Channel.send(channel, [user]) == :ok
      assert Channel.send(channel, user, timeout: 10) == :ok
      encoded = Py.eval!("u", %{u: user})
      assert python("channel.receive()", %{channel: channel}) == {:ok, [encoded]}
      assert python("channel.receive()", %{channel: channel}) == {:ok, encoded}
    end

    test "that Python cannot have raise there, and the next one arrives", %{channel: channel} do
      Channel.send(channel, <<1::3>>)
      Channel.send(channel, 2)

      assert {:error, %Error{type: "TypeError"}} =
               python("channel.receive()", %{channel: channel})

      assert python("channel.receive()", %{channel: channel}) == {:ok, 2}

      assert {:error, %Error{type: "TypeError"}} =
               python("channel.send('\\ud800')", %{channel: channel})
    end

    test "may be objects, functions and pids", %{channel: channel} do
      context = start_context()
      object = Py.call!(:collections, :deque, [[1, 2]], context: context)
      for value <- [object, &(&1 + 1), self()], do: Channel.send(channel, value)
      code = "d, f, pid = (channel.receive() for _ in range(3))\n[list(d), f(1), pid]"
      assert python(code, %{channel: channel}, context: context) == {:ok, [[1, 2], 2, self()]}
    end

    test "may be very deep and very many", %{channel: channel} do
      deep = Enum.reduce(1..100_000, [], fn _, inner -> [inner] end)
      assert Channel.send(channel, deep) == :ok
      assert Channel.receive(channel) == {:ok, deep}
      for n <- 1..10_000, do: :ok = Channel.send(channel, n)
      code = "[channel.receive() for _ in range(10_000)] == list(range(1, 10_001))"
      assert python(code, %{channel: channel}) == {:ok, true}
    end

    test "are views of large binaries where they are wrapped", %{channel: channel} do
      data = :binary.copy("ab", 500_000)
      Channel.send(channel, Py.buffer(data))
      code = "view = channel.receive()\n[type(view).__name__, bytes(view) == b'ab' * 500_000]"
      assert python(code, %{channel: channel}) == {:ok, ["memoryview", true]}
    end
  end

  describe "a channel" do
    test "travels in arguments, messages and answers, and stays the same", %{channel: channel} do
      assert python("channel", %{channel: channel}) == {:ok, channel}
      {:ok, other} = Channel.new()
      Channel.send(other, [channel])
      code = "[inner] = other.receive()\ninner.send(1)\n[inner == channel, inner == other]"
      assert python(code, %{channel: channel, other: other}) == {:ok, [true, false]}
      assert Channel.receive(channel) == {:ok, 1}
      assert python("len({channel, again})", %{channel: channel, again: channel}) == {:ok, 1}
    end

    test "that Python makes closes with its context" do
      context = start_context()

      code = """
      from erlang.channel import Channel
      channel = Channel(max_size=100)
      channel.send("kept")
      [channel, Channel(channel) is channel, repr(channel)]
      """

      assert {:ok, [%Channel{} = channel, true, text]} = python(code, %{}, context: context)
      assert text == "<Channel of terms, open, 1 messages>"
      assert %{max_size: 100, closed: false} = Channel.info(channel)
      Context.stop(context)
      assert eventually(fn -> Channel.info(channel).closed end)
      assert Channel.receive(channel) == {:ok, "kept"}
      assert Channel.receive(channel) == {:error, :closed}
    end

    test "closes with its owner, and is closed if that is dead" do
      test = self()

      {owner, monitor} =
        spawn_monitor(fn -> send(test, Channel.new()) && receive(do: (:end -> :ok)) end)

      assert_receive {:ok, channel}
      refute Channel.info(channel).closed
      task = Task.async(fn -> Channel.receive(channel) end)
      waiting(channel, :receivers, 1)
      send(owner, :end)
      assert Task.await(task) == {:error, :closed}
      assert_receive {:DOWN, ^monitor, :process, ^owner, :normal}
      {:ok, late} = Channel.new(owner: owner)
      assert Channel.info(late).closed
    end

    test "says what it is not", %{channel: channel} do
      elsewhere = %Channel{ref: make_ref()}
      assert_raise ArgumentError, ~r/another node/, fn -> Channel.send(elsewhere, 1) end
      assert_raise ArgumentError, ~r/another node/, fn -> Channel.receive(elsewhere) end
      assert {:error, %Py.ConversionError{}} = python("c", %{c: elsewhere})
      assert_raise ArgumentError, fn -> Channel.new(max_size: 0) end
      assert_raise ArgumentError, fn -> Channel.receive(channel, wait: 1) end

      for code <- [
            "Channel(1)",
            "Channel(type='x')",
            "Channel().send()",
            "Channel().receive(1, 2)"
          ] do
        code = "from erlang.channel import Channel\n" <> code
        assert {:error, %Error{type: type}} = python(code, %{})
        assert type in ["TypeError", "ValueError"]
      end
    end
  end

  describe "a channel of bytes" do
    setup do
      {:ok, channel} = Channel.new(type: :bytes)
      %{channel: channel}
    end

    test "gives bytes, whatever is in them", %{channel: channel} do
      for data <- ["text", <<255>>, "", ["io", ?d, [<<0>>]]],
          do: :ok = Channel.send(channel, data)

      code = "[repr(channel.receive()) for _ in range(4)]"

      assert python(code, %{channel: channel}) ==
               {:ok, ["b'text'", "b'\\xff'", "b''", "b'iod\\x00'"]}
    end

    test "takes what is like bytes, and nothing else", %{channel: channel} do
      code = "for data in (b'a', bytearray(b'b'), memoryview(b'c'), b''): channel.send(data)"
      assert python(code, %{channel: channel}) == {:ok, nil}

      assert for(_ <- 1..4, do: Channel.receive(channel)) ==
               for(d <- ["a", "b", "c", ""], do: {:ok, d})

      assert {:error, %Error{type: "TypeError"}} =
               python("channel.send('a')", %{channel: channel})

      assert_raise ArgumentError, fn -> Channel.send(channel, :atom) end
      assert_raise ArgumentError, fn -> Channel.send(channel, :atom, timeout: 1) end
    end
  end

  describe "a full channel" do
    setup do
      {:ok, channel} = Channel.new(max_size: 100)
      %{channel: channel}
    end

    test "is busy, and takes one message of any size when it is empty", %{channel: channel} do
      assert Channel.send(channel, String.duplicate("x", 1_000)) == :ok
      assert Channel.send(channel, 1) == :busy
      assert python("channel.try_send(1)", %{channel: channel}) == {:ok, false}
      assert Channel.info(channel).size == 1_008
      assert {:ok, _large} = Channel.receive(channel)
      assert Channel.send(channel, 1) == :ok
      assert python("channel.try_send(1)", %{channel: channel}) == {:ok, true}
    end

    test "lets those who wait in by their order", %{channel: channel} do
      large = String.duplicate("x", 90)
      :ok = Channel.send(channel, large)
      first = Task.async(fn -> Channel.send(channel, {1, large}, timeout: :infinity) end)
      waiting(channel, :senders, 1)
      second = Task.async(fn -> python("channel.send(2)", %{channel: channel}) end)
      waiting(channel, :senders, 2)
      assert Channel.send(channel, 3) == :busy
      assert Channel.receive(channel) == {:ok, large}
      assert Task.await(first) == :ok
      assert Channel.receive(channel) == {:ok, {1, large}}
      assert Task.await(second) == {:ok, nil}
      assert Channel.receive(channel) == {:ok, 2}
    end

    test "gives up a message whose time is over, and lets the next one in", %{channel: channel} do
      :ok = Channel.send(channel, String.duplicate("x", 60))
      large = String.duplicate("y", 90)
      task = Task.async(fn -> Channel.send(channel, large, timeout: 50) end)
      waiting(channel, :senders, 1)
      small = Task.async(fn -> Channel.send(channel, "small", timeout: :infinity) end)
      assert Task.await(task) == :busy
      assert Task.await(small) == :ok
      code = "channel.send(large, timeout=0.01)"

      assert {:error, %Error{type: "TimeoutError"}} =
               python(code, %{channel: channel, large: large})

      assert %{messages: 2, senders: 0} = Channel.info(channel)
    end

    test "refuses those who wait when it is closed", %{channel: channel} do
      :ok = Channel.send(channel, String.duplicate("x", 100))
      first = Task.async(fn -> Channel.send(channel, 1, timeout: :infinity) end)
      second = Task.async(fn -> python("channel.send(1)", %{channel: channel}) end)
      waiting(channel, :senders, 2)
      :ok = Channel.close(channel)
      assert Task.await(first) == {:error, :closed}
      assert {:error, %Error{type: "erlang.ChannelClosed"}} = Task.await(second)
      assert {:ok, "x" <> _} = Channel.receive(channel)
      assert Channel.receive(channel) == {:error, :closed}
      assert Channel.close(channel) == :ok
    end
  end

  describe "receivers" do
    test "hear of the end after what was queued", %{channel: channel} do
      for n <- 1..3, do: Channel.send(channel, n)
      Channel.close(channel)
      assert Channel.receive(channel) == {:ok, 1}
      assert python("list(channel)", %{channel: channel}) == {:ok, [2, 3]}

      for code <- ["channel.receive()", "channel.try_receive()", "channel.send(1)"] do
        assert {:error, %Error{type: "erlang.ChannelClosed"}} = python(code, %{channel: channel})
      end

      assert Enum.to_list(channel) == []
    end

    test "of every kind wait in one line", %{channel: channel} do
      # In contexts of their own: in the pool they might wait for one another.
      [one, other] = for _ <- 1..2, do: [context: start_context()]
      python = Task.async(fn -> python("channel.receive()", %{channel: channel}, one) end)
      waiting(channel, :receivers, 1)
      elixir = Task.async(fn -> Channel.receive(channel) end)
      waiting(channel, :receivers, 2)
      code = "import erlang\nerlang.run(channel.async_receive())"
      task = Task.async(fn -> python(code, %{channel: channel}, other) end)
      waiting(channel, :receivers, 3)
      for n <- 1..3, do: Channel.send(channel, n)

      assert Enum.sort([Task.await(python), Task.await(elixir), Task.await(task)]) == [
               ok: 1,
               ok: 2,
               ok: 3
             ]
    end

    test "that are gone miss nothing", %{channel: channel} do
      dead = spawn(fn -> Channel.receive(channel, timeout: :infinity) end)
      waiting(channel, :receivers, 1)
      task = Task.async(fn -> Channel.receive(channel) end)
      waiting(channel, :receivers, 2)
      kill(dead)
      Channel.send(channel, 1)
      assert Task.await(task) == {:ok, 1}
      waiting(channel, :receivers, 0)
    end

    test "whose time is over just then get it or leave it", %{channel: channel} do
      count = 2_000
      receiver = Task.async(fn -> collect(channel, []) end)
      for n <- 1..count, do: :ok = Channel.send(channel, n)
      Channel.close(channel)
      assert Task.await(receiver, 60_000) == Enum.to_list(1..count)
    end

    defp collect(channel, got) do
      case Channel.receive(channel, timeout: rem(length(got), 2)) do
        {:ok, message} -> collect(channel, [message | got])
        {:error, :timeout} -> collect(channel, got)
        {:error, :closed} -> Enum.reverse(got)
      end
    end

    test "wait for so long and no longer", %{channel: channel} do
      assert Channel.receive(channel, timeout: 5) == {:error, :timeout}

      for timeout <- ["0", "0.005", "-1", "timeout=0.005"] do
        code = "channel.receive(#{timeout})"
        assert {:error, %Error{type: "TimeoutError"}} = python(code, %{channel: channel})
      end

      assert %{receivers: 0} = Channel.info(channel)
    end
  end

  describe "a subscriber" do
    test "gets what is queued and what comes, then the end", %{channel: channel} do
      Channel.send(channel, 1)
      {:ok, subscription} = Channel.subscribe(channel)
      assert python("channel.send(2)\nchannel.close()", %{channel: channel}) == {:ok, nil}
      assert_receive {:py_channel, ^subscription, {:data, 1}}
      assert_receive {:py_channel, ^subscription, {:data, 2}}
      assert_receive {:py_channel, ^subscription, :closed}
    end

    test "gets as many as it asks for, and the end after the last one", %{channel: channel} do
      {:ok, subscription} = Channel.subscribe(channel, demand: 2)
      for n <- 1..5, do: Channel.send(channel, n)
      Channel.close(channel)
      assert_receive {:py_channel, ^subscription, {:data, 2}}
      assert %{messages: 3} = Channel.info(channel)
      assert Channel.ask(channel, subscription, 1) == :ok
      assert_receive {:py_channel, ^subscription, {:data, 3}}
      assert %{messages: 2} = Channel.info(channel)
      assert Channel.ask(channel, subscription, :infinity) == :ok
      assert_receive {:py_channel, ^subscription, :closed}
      assert {:messages, [data, _, _]} = Process.info(self(), :messages)
      assert data == {:py_channel, subscription, {:data, 1}}
      assert Channel.ask(channel, subscription, 1) == {:error, :not_found}
    end

    test "gets a thousand queued messages and those that come meanwhile in their order", %{
      channel: channel
    } do
      for n <- 1..1_000, do: :ok = Channel.send(channel, n)
      sender = Task.async(fn -> for n <- 1_001..2_000, do: :ok = Channel.send(channel, n) end)
      {:ok, subscription} = Channel.subscribe(channel)
      Task.await(sender)

      got = for _ <- 1..2_000, do: receive(do: ({:py_channel, ^subscription, {:data, n}} -> n))
      assert got == Enum.to_list(1..2_000)
    end

    test "makes room for senders that wait" do
      {:ok, channel} = Channel.new(max_size: 10)
      Channel.send(channel, 1)
      task = Task.async(fn -> Channel.send(channel, 2, timeout: :infinity) end)
      waiting(channel, :senders, 1)
      {:ok, subscription} = Channel.subscribe(channel)
      assert Task.await(task) == :ok
      assert_receive {:py_channel, ^subscription, {:data, 2}}
    end

    test "that has ended its subscription or died is passed over", %{channel: channel} do
      {:ok, subscription} = Channel.subscribe(channel)
      assert Channel.unsubscribe(channel, subscription) == :ok
      assert Channel.unsubscribe(channel, subscription) == {:error, :not_found}
      isolated(fn -> {:ok, _subscription} = Channel.subscribe(channel) end)
      Channel.send(channel, 1)
      assert Channel.receive(channel) == {:ok, 1}
      refute_received {:py_channel, _subscription, _message}
    end

    test "takes turns with the others", %{channel: channel} do
      {:ok, one} = Channel.subscribe(channel)
      {:ok, two} = Channel.subscribe(channel)
      for n <- 1..4, do: Channel.send(channel, n)
      assert_receive {:py_channel, ^one, {:data, 3}}
      assert_receive {:py_channel, ^two, {:data, 4}}
    end
  end

  test "everything sent by many arrives once, at many", %{channel: channel} do
    {:ok, results} = Channel.new()
    {:ok, small} = Channel.new(max_size: 200)
    contexts = for _ <- 1..2, do: start_context()

    code = """
    import asyncio, erlang, threading
    def take(channel, results):
        results.send([n for n in channel])
    def take_in_threads(channel, results):
        threads = [threading.Thread(target=take, args=(channel, results)) for _ in range(2)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
    async def take_async(channel, results):
        await results.async_send([n async for n in channel])
    async def both(channel, results):
        await asyncio.gather(take_async(channel, results), take_async(channel, results))
    def take_in_tasks(channel, results):
        erlang.run(both(channel, results))
    """

    for context <- contexts, do: :ok = Context.exec(context, code)
    [one, two] = contexts

    takers = [
      Task.async(fn -> Channel.send(results, Enum.to_list(small)) end),
      Task.async(fn -> Py.call(:__main__, :take_in_threads, [small, results], context: one) end),
      Task.async(fn -> Py.call(:__main__, :take_in_tasks, [small, results], context: two) end)
    ]

    senders =
      for part <- 0..3 do
        Task.async(fn ->
          for n <- 1..500,
              do: :ok = Channel.send(small, part * 500 + n, timeout: :infinity)
        end)
      end

    Task.await_many(senders, 60_000)
    Channel.close(small)
    Task.await_many(takers, 60_000)
    Channel.close(results)
    assert results |> Enum.concat() |> Enum.sort() == Enum.to_list(1..2_000)
    assert channel |> Channel.info() |> Map.fetch!(:messages) == 0
  end
end
