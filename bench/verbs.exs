# What does each way to call cost, one process calling?

Code.require_file("support/bench.exs", __DIR__)
Code.require_file("support/reference.exs", __DIR__)

defmodule Bench.Verbs do
  @moduledoc false

  alias Bench.Reference

  @milliseconds 300
  @batch 1_000

  @in_python """
  from math import sqrt
  from time import perf_counter_ns

  def alone(count):
      start = perf_counter_ns()
      for _ in range(count):
          sqrt(16.0)
      return (perf_counter_ns() - start) / count
  """

  def run do
    Bench.header("What does each way to call cost?")
    Reference.load()
    {:ok, [context | _]} = Py.start_contexts()

    :ok = Py.Context.exec(context, @in_python)

    rows = for {name, count, work} <- works(context), do: row(name, count, work)
    rows = [python_alone(context) | rows] ++ [casts(context)]
    Bench.table(["measured", "p50 us", "p99 us", "a second"], rows)
  end

  defp python_alone(context) do
    times = for _ <- 1..50, do: Py.Context.call!(context, :__main__, :alone, [@batch])
    row("math.sqrt in a loop of Python", Enum.map(times, &(&1 / 1_000)))
  end

  # Only what it costs to give them away: the context has done them all before the next round.
  defp casts(context) do
    times =
      for _ <- 1..50 do
        {time, :ok} = Bench.timed(fn -> cast(context, @batch) end)
        {:ok, _} = Py.Context.eval(context, "1")
        time / @batch / 1_000
      end

    row("cast, given away", times)
  end

  # Of 50 rounds, each with the time that one call took.
  defp row(name, times) do
    [p50, p99] = for share <- [0.5, 0.99], do: times |> Enum.sort() |> Enum.at(trunc(49 * share))
    [name, Bench.number(p50, 2), Bench.number(p99, 2), Bench.number(1.0e6 / p50)]
  end

  defp cast(_context, 0), do: :ok

  defp cast(context, left) do
    :ok = Py.cast(:math, :sqrt, [16.0], context: context)
    cast(context, left - 1)
  end

  defp works(context) do
    calls = List.duplicate({:math, :sqrt, [16.0]}, @batch)
    numbers = List.duplicate(16.0, @batch)

    [
      {"empty NIF", 1, fn _ -> Reference.noop() end},
      {"hand-over in memory", 1, fn _ -> Reference.hand_over(0) end},
      {"hand-over of 512 bytes", 1, fn _ -> Reference.hand_over(512) end},
      {"ping-pong, spinning", 1, fn _ -> Reference.ping(:spinning) end},
      {"call, routed", 1, fn _ -> {:ok, 4.0} = Py.call(:math, :sqrt, [16.0]) end},
      {"call, a context's", 1,
       fn _ -> {:ok, 4.0} = Py.Context.call(context, :math, :sqrt, [16.0]) end},
      {"call, inline", 1, fn _ -> {:ok, 4.0} = Py.call(:math, :sqrt, [16.0], inline: true) end},
      {"eval 1+1", 1, fn _ -> {:ok, 2} = Py.eval("1+1") end},
      {"spawn_call and await", 1,
       fn _ -> {:ok, 4.0} = :math |> Py.spawn_call(:sqrt, [16.0]) |> Py.await() end},
      {"parallel, each of #{@batch}", @batch, fn _ -> [{:ok, 4.0} | _] = Py.parallel(calls) end},
      {"map, each of #{@batch}", @batch,
       fn _ -> [{:ok, 4.0} | _] = Py.map(numbers, :math, :sqrt) end}
    ]
  end

  # Latency is that of one element where there are many.
  defp row(name, count, work) do
    result = Bench.calls(1, @milliseconds, work)

    [
      name,
      Bench.number(result.p50 / count, 2),
      Bench.number(result.p99 / count, 2),
      Bench.number(result.rate * count)
    ]
  end
end

Bench.Verbs.run()
