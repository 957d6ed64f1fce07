# What becomes of calls when thousands of processes make them at once?

Code.require_file("support/bench.exs", __DIR__)
Code.require_file("support/reference.exs", __DIR__)

defmodule Bench.Scale do
  @moduledoc false

  alias Bench.Reference
  alias Py.ContextError

  @processes [1_000, 10_000]
  @calls 200_000
  @rounds 3
  @narrow 100

  # A call that has no answer by then is lost.
  @patience_ms 20_000

  def run do
    Bench.header("What becomes of calls when thousands of processes make them at once?")
    Reference.load()
    {:ok, _contexts} = Py.start_contexts()
    {:ok, _pool} = Py.Router.start_pool(:narrow, Py.info().num_contexts, max_queue: @narrow)

    head = ~w(measured processes) ++ ["p50 us", "p99 us", "calls/s", "x ping-pong"]
    Bench.table(head ++ ~w(answered :busy lost), Enum.flat_map(@processes, &rows/1))
  end

  # In turns, as a machine's mood changes. The median round counts, and every call that has come
  # to nothing in any of them.
  defp rows(processes) do
    rounds = for _ <- 1..@rounds, {name, work} <- works(), do: {name, at_once(processes, work)}
    rounds = Enum.group_by(rounds, &elem(&1, 0), &elem(&1, 1))
    results = for {name, _work} <- works(), do: {name, summary(rounds[name])}

    reference = Enum.max(for {"ping-pong" <> _, result} <- results, do: result.rate)
    for {name, result} <- results, do: row(name, processes, result, reference)
  end

  defp works do
    [
      {"ping-pong, parked", fn -> Reference.ping(:parked) end},
      {"ping-pong, spinning", fn -> Reference.ping(:spinning) end},
      {"math.sqrt, routed", fn -> call([]) end},
      {"math.sqrt, at most #{@narrow} waiting in a context", fn -> call(pool: :narrow) end}
    ]
  end

  defp call(opts) do
    case Py.call(:math, :sqrt, [16], opts) do
      {:ok, 4.0} -> :ok
      {:error, %ContextError{reason: :busy}} -> :busy
      {:error, _other} -> :lost
    end
  end

  # All are there and wait before the first may call, and none makes a call before its last one
  # has come back.
  defp at_once(processes, work) do
    parent = self()
    each = div(@calls, processes)

    workers =
      for _ <- 1..processes do
        spawn(fn ->
          send(parent, :ready)
          receive do: (:go -> send(parent, {self(), repeat(work, each, []), now()}))
        end)
      end

    for _ <- workers, do: receive(do: (:ready -> :ok))
    start = now()
    Enum.each(workers, &send(&1, :go))
    deadline = start + @patience_ms * 1_000_000
    answers = for worker <- workers, do: answer(worker, deadline)
    for {:late, worker} <- answers, do: Process.exit(worker, :kill)

    outcomes = for {:done, outcomes, _stop} <- answers, outcome <- outcomes, do: outcome
    stops = for {:done, _outcomes, stop} <- answers, do: stop
    round(outcomes, Enum.max([start | stops]) - start, processes * each)
  end

  defp repeat(_work, 0, outcomes), do: outcomes

  defp repeat(work, left, outcomes) do
    {elapsed, outcome} = Bench.timed(work)
    repeat(work, left - 1, [{outcome, elapsed} | outcomes])
  end

  defp answer(worker, deadline) do
    receive do
      {^worker, outcomes, stop} -> {:done, outcomes, stop}
    after
      max(div(deadline - now(), 1_000_000), 0) -> {:late, worker}
    end
  end

  # What was refused is neither an answer nor lost, and says nothing about how long answers take.
  defp round(outcomes, elapsed, calls) do
    times = Enum.sort(for {:ok, elapsed} <- outcomes, do: elapsed)
    answered = length(times)
    busy = Enum.count(outcomes, &match?({:busy, _elapsed}, &1))

    %{
      p50: percentile(times, 0.5),
      p99: percentile(times, 0.99),
      rate: answered / (max(elapsed, 1) / 1.0e9),
      answered: answered,
      busy: busy,
      lost: calls - answered - busy
    }
  end

  defp summary(rounds) do
    middle = for key <- [:p50, :p99, :rate], do: {key, middle(rounds, key)}
    sums = for key <- [:answered, :busy, :lost], do: {key, Enum.sum(Enum.map(rounds, & &1[key]))}
    Map.new(middle ++ sums)
  end

  defp middle(rounds, key), do: rounds |> Enum.map(& &1[key]) |> Bench.median()

  defp percentile([], _share), do: 0

  defp percentile(sorted, share),
    do: Enum.at(sorted, trunc((length(sorted) - 1) * share)) / 1_000

  defp row(name, processes, result, reference) do
    [
      name,
      Bench.number(processes),
      Bench.number(result.p50, 1),
      Bench.number(result.p99, 1),
      Bench.number(result.rate),
      Bench.number(result.rate / reference, 2)
    ] ++ for key <- [:answered, :busy, :lost], do: Bench.number(result[key])
  end

  defp now, do: System.monotonic_time(:nanosecond)
end

Bench.Scale.run()
