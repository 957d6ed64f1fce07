# What does a message cost on a channel, alone and in a stream, one way and the other?

Code.require_file("support/bench.exs", __DIR__)

defmodule Bench.Channel do
  @moduledoc false

  alias Py.Channel

  @sizes [64, 1_024, 16_384]
  @budget 64 * 1024 * 1024
  @rounds 9
  @pings 5_000

  @code """
  import asyncio
  import erlang
  def fill(channel, data, count):
      send = channel.send
      for _ in range(count):
          send(data)
  def drain(channel, count):
      receive = channel.receive
      for _ in range(count):
          receive()
  def consume(channel):
      for _ in channel:
          pass
  async def consume_async(channel):
      async for _ in channel:
          pass
  def run_async(channel):
      erlang.run(consume_async(channel))
  def echo(questions, answers):
      for message in questions:
          answers.send(message)
  async def echo_async(questions, answers):
      async for message in questions:
          await answers.async_send(message)
  def run_echo_async(questions, answers):
      erlang.run(echo_async(questions, answers))
  def touch(channel, count):
      for _ in range(count):
          len(channel.receive())
  """

  def run do
    Bench.header("What does a message cost on a channel?")
    {:ok, context} = Py.Context.start_link()
    :ok = Py.Context.exec(context, @code)
    alone(context)
    streams(context)
    ping_pong(context)
    large(context)
    Py.Context.stop(context)
  end

  # Sending into a channel that nobody reads, and reading one that is full.
  defp alone(context) do
    rows =
      for size <- @sizes do
        count = count(size)
        data = :binary.copy("x", size)

        {sends, receives} =
          samples(fn ->
            {:ok, channel} = Channel.new(max_size: :infinity)
            {sent, _} = Bench.timed(fn -> send_all(channel, data, count) end)
            {got, _} = Bench.timed(fn -> python(context, :drain, [channel, count]) end)
            {each(sent, count), each(got, count)}
          end)

        {back_sends, back_receives} =
          samples(fn ->
            {:ok, channel} = Channel.new(max_size: :infinity)
            {sent, _} = Bench.timed(fn -> python(context, :fill, [channel, data, count]) end)
            {got, _} = Bench.timed(fn -> receive_all(channel, count) end)
            {each(sent, count), each(got, count)}
          end)

        [label(size), sends, receives, back_sends, back_receives]
      end

    Bench.table(
      [
        "message",
        "Elixir sends us",
        "Python receives us",
        "Python sends us",
        "Elixir receives us"
      ],
      rows
    )
  end

  # Both at the same time.
  defp streams(context) do
    rows =
      for size <- @sizes do
        count = 4 * count(size)
        data = :binary.copy("x", size)

        [
          label(size),
          rate(count, fn -> to_python(context, :consume, data, count) end),
          rate(count, fn -> to_python(context, :run_async, data, count) end),
          rate(count, fn -> from_python(context, data, count, &receive_all/2) end),
          rate(count, fn -> from_python(context, data, count, &subscribe_all/2) end)
        ]
      end

    Bench.table(
      ["message", "to Python /s", "to asyncio /s", "to receive/2 /s", "to a subscriber /s"],
      rows
    )
  end

  defp ping_pong(context) do
    rows =
      for {name, function} <- [{"a thread", :echo}, {"a task of an event loop", :run_echo_async}] do
        {:ok, questions} = Channel.new()
        {:ok, answers} = Channel.new()
        task = Task.async(fn -> python(context, function, [questions, answers]) end)
        ping(questions, answers, @pings)

        samples =
          for _ <- 1..@pings, do: elem(Bench.timed(fn -> ping(questions, answers, 1) end), 0)

        Channel.close(questions)
        Task.await(task)
        sorted = samples |> Enum.sort() |> List.to_tuple()
        at = fn share -> elem(sorted, trunc(share * (tuple_size(sorted) - 1))) / 1_000 end
        [name, Bench.number(at.(0.5), 1), Bench.number(at.(0.99), 1)]
      end

    Bench.table(["there and back to", "p50 us", "p99 us"], rows)
  end

  # A binary of 1 MiB: as str, as bytes, and as a view of itself.
  defp large(context) do
    data = :binary.copy("x", 1_048_576)

    rows =
      for {name, opts, message} <- [
            {"str", [], data},
            {"bytes", [type: :bytes], data},
            {"Py.buffer", [], Py.buffer(data)}
          ] do
        {time, _} =
          samples(fn ->
            {:ok, channel} = Channel.new([max_size: :infinity] ++ opts)
            send_all(channel, message, 50)
            {got, _} = Bench.timed(fn -> python(context, :touch, [channel, 50]) end)
            {each(got, 50), 0}
          end)

        [name, time]
      end

    Bench.table(["1 MiB arrives as", "us"], rows)
  end

  defp to_python(context, function, data, count) do
    {:ok, channel} = Channel.new()
    task = Task.async(fn -> python(context, function, [channel]) end)
    send_all(channel, data, count)
    Channel.close(channel)
    Task.await(task, :infinity)
  end

  defp from_python(context, data, count, receive_all) do
    {:ok, channel} = Channel.new()
    task = Task.async(fn -> python(context, :fill, [channel, data, count]) end)
    receive_all.(channel, count)
    Task.await(task, :infinity)
  end

  defp send_all(_channel, _data, 0), do: :ok

  defp send_all(channel, data, left) do
    with :busy <- Channel.send(channel, data),
         do: :ok = Channel.send(channel, data, timeout: :infinity)

    send_all(channel, data, left - 1)
  end

  defp receive_all(_channel, 0), do: :ok

  defp receive_all(channel, left) do
    {:ok, _message} = Channel.receive(channel)
    receive_all(channel, left - 1)
  end

  defp subscribe_all(channel, count) do
    {:ok, subscription} = Channel.subscribe(channel)
    take(subscription, count)
  end

  defp take(_subscription, 0), do: :ok

  defp take(subscription, left) do
    receive do: ({:py_channel, ^subscription, {:data, _message}} -> :ok)
    take(subscription, left - 1)
  end

  defp ping(_questions, _answers, 0), do: :ok

  defp ping(questions, answers, left) do
    :ok = Channel.send(questions, left)
    {:ok, ^left} = Channel.receive(answers)
    ping(questions, answers, left - 1)
  end

  defp python(context, function, args),
    do: {:ok, nil} = Py.Context.call(context, :__main__, function, args, timeout: :infinity)

  defp samples(round) do
    {ones, others} = Enum.unzip(for _ <- 1..@rounds, do: round.())
    {Bench.number(Bench.median(ones), 2), Bench.number(Bench.median(others), 2)}
  end

  defp rate(count, round) do
    round.()
    times = for _ <- 1..5, do: elem(Bench.timed(round), 0)
    Bench.number(count * 1.0e9 / Bench.median(times), 0)
  end

  defp each(nanoseconds, count), do: nanoseconds / count / 1_000
  defp count(size), do: min(20_000, div(@budget, size))
  defp label(size), do: "#{size} B"
end

Bench.Channel.run()
