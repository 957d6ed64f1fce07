# What does a call cost when nothing has happened for a while, and when the BEAM is busy?

Code.require_file("support/bench.exs", __DIR__)
Code.require_file("support/reference.exs", __DIR__)

defmodule Bench.Load do
  @moduledoc false

  alias Bench.Reference

  @samples 400
  @milliseconds 400

  def run do
    Bench.header("What does a call cost on a BEAM that is idle, or busy?")
    Reference.load()
    {:ok, _contexts} = Py.start_contexts()

    idle =
      for {name, work} <- works(), do: row(name, "1 ms of idleness before each", rested(work))

    busy =
      for hogs <- [2, 16], {name, work} <- works() do
        row(name, "#{hogs} processes that compute", beside(hogs, fn -> calls(work) end))
      end

    Bench.table(["measured", "with", "p50 us", "p99 us"], idle ++ busy)
    Bench.table(["a timer of 1 ms beside", "p50 us late", "p99 us late", "worst"], timers())
  end

  defp works do
    [
      {"ping-pong, parked", fn -> Reference.ping(:parked) end},
      {"ping-pong, spinning", fn -> Reference.ping(:spinning) end},
      {"call", fn -> {:ok, 4.0} = Py.call(:math, :sqrt, [16.0]) end},
      {"call, inline", fn -> {:ok, 4.0} = Py.call(:math, :sqrt, [16.0], inline: true) end}
    ]
  end

  defp row(name, with_what, {p50, p99}),
    do: [name, with_what, Bench.number(p50, 1), Bench.number(p99, 1)]

  defp rested(work) do
    samples =
      for _ <- 1..@samples do
        receive do: (:never -> :ok), after: (1 -> :ok)
        work |> Bench.timed() |> elem(0)
      end

    percentiles(samples)
  end

  defp calls(work) do
    %{p50: p50, p99: p99} = Bench.calls(1, @milliseconds, fn _ -> work.() end)
    {p50, p99}
  end

  defp beside(hogs, fun) do
    pids = for _ <- 1..hogs, do: spawn_link(fn -> compute(0) end)
    result = fun.()
    Enum.each(pids, &Process.unlink/1)
    Enum.each(pids, &Process.exit(&1, :kill))
    result
  end

  defp compute(n), do: compute(rem(n * 31 + 7, 1_000_003))

  # How much later than asked a process is woken while others call back to back.
  defp timers do
    [
      {"nothing", fn -> receive do: (:never -> :ok) end},
      {"calls", fn -> endless(fn -> Py.call(:math, :sqrt, [16.0]) end) end},
      {"inline calls", fn -> endless(fn -> Py.call(:math, :sqrt, [16.0], inline: true) end) end},
      {"inline calls of 50 us",
       fn -> endless(fn -> Py.call(:builtins, :sum, [2..2_500//1], inline: true) end) end}
    ]
    |> Enum.map(fn {name, work} ->
      pids = for _ <- 1..System.schedulers_online(), do: spawn(work)
      late = for _ <- 1..@samples, do: late()
      Enum.each(pids, &Process.exit(&1, :kill))
      {p50, p99} = percentiles(late)
      [name | Enum.map([p50, p99, Enum.max(late) / 1_000], &Bench.number(&1, 0))]
    end)
  end

  defp late do
    {elapsed, _} = Bench.timed(fn -> receive do: (:never -> :ok), after: (1 -> :ok) end)
    max(elapsed - 1_000_000, 0)
  end

  defp endless(work) do
    work.()
    endless(work)
  end

  defp percentiles(samples) do
    sorted = Enum.sort(samples)
    at = fn share -> Enum.at(sorted, trunc((length(sorted) - 1) * share)) / 1_000 end
    {at.(0.5), at.(0.99)}
  end
end

Bench.Load.run()
