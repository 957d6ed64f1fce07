# How long does it take from a timeout until the context serves again?

Code.require_file("support/bench.exs", __DIR__)

defmodule Bench.Interrupt do
  @moduledoc false

  @timeout 20
  @grace 100

  def run do
    Bench.header("How soon is a context free after a timeout?")

    for mode <- Bench.modes() do
      Bench.puts("mode #{mode}, timeout: #{@timeout}, grace: #{@grace}\n")
      head = ["what runs", "rounds", "answer late by ms", "p50 ms", "p99 ms", "replaced"]
      Bench.table(head, for({name, rounds, code} <- codes(), do: row(mode, name, rounds, code)))
    end
  end

  # A C call that does not look for an interrupt costs the context. Those that compute end by
  # themselves after a while, or every round would leave a busy thread behind.
  defp codes do
    [
      {"while True: pass", 200, "while True: pass"},
      {"a loop with try/except BaseException", 100,
       "while True:\n    try:\n        sum(range(100))\n    except BaseException:\n        pass"},
      {"erlang.sleep(60)", 100, "import erlang\nerlang.sleep(60)"},
      {"a wait for a lock", 3,
       "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire(timeout=2)"},
      {"time.sleep(60)", 3, "import time\ntime.sleep(60)"},
      {"re that backtracks", 3, "import re\nre.match('(a+)+$', 'a' * 25 + 'b')"}
    ]
  end

  defp row(mode, name, rounds, code) do
    children = [{Py.Context, name: __MODULE__.Context, mode: mode, grace: @grace}]
    options = [strategy: :one_for_one, max_restarts: 1_000]
    {:ok, supervisor} = Supervisor.start_link(children, options)
    serving()
    Logger.configure(level: :critical)
    samples = for _ <- 1..rounds, do: sample(code)
    Supervisor.stop(supervisor)
    Logger.configure(level: :info)
    Bench.quiet()

    free = samples |> Enum.map(& &1.free) |> Enum.sort()
    late = samples |> Enum.map(& &1.late) |> Bench.median()
    replaced = Enum.count(samples, & &1.replaced)

    [name, "#{rounds}", ms(late), ms(share(free, 0.5)), ms(share(free, 0.99)), "#{replaced}"]
  end

  # Both times count from the moment at which the time was over.
  defp sample(code) do
    context = Process.whereis(__MODULE__.Context)
    start = System.monotonic_time(:nanosecond)
    {:error, %{reason: :timeout}} = Py.eval(code, %{}, context: context, timeout: @timeout)
    answered = System.monotonic_time(:nanosecond)
    serving()
    free = System.monotonic_time(:nanosecond)
    over = start + @timeout * 1_000_000
    replaced = Process.whereis(__MODULE__.Context) != context
    %{late: answered - over, free: free - over, replaced: replaced}
  end

  defp serving do
    case Py.eval("1", %{}, context: __MODULE__.Context, timeout: 60_000) do
      {:ok, 1} -> :ok
      # Between two contexts of that name.
      {:error, %Py.ContextError{}} -> serving()
    end
  end

  # Of few rounds the 99th percentile is the slowest one.
  defp share(sorted, share), do: Enum.at(sorted, ceil(length(sorted) * share) - 1)
  defp ms(nanoseconds), do: Bench.number(nanoseconds / 1_000_000, 2)
end

Bench.Interrupt.run()
