# Do two calls that only compute run at the same time?

Code.require_file("support/bench.exs", __DIR__)

defmodule Bench.Parallel do
  @moduledoc false

  @rounds 5
  @seconds 0.5

  # Pure Python from start to end: nothing in it ever gives up the GIL by itself.
  @code """
  def work(count):
      total = 0
      for number in range(count):
          total += number * number
      return total
  """

  def run do
    Bench.header("Do two calls that only compute run at the same time?")
    head = ["measured", "one after the other", "at the same time", "speed-up", "of medians"]
    Bench.table(head, [beam() | Enum.map(Bench.modes(), &mode/1)])
  end

  # What two cores are worth on this machine at the moment, whoever else uses them.
  defp beam do
    row("BEAM, two processes", fn count -> for _ <- 1..2, do: fn -> loop(count, 0) end end)
  end

  defp mode(mode) do
    contexts = for _ <- 1..2, do: open(mode)

    result =
      row("Python, #{mode}", fn count -> for context <- contexts, do: work(context, count) end)

    Enum.each(contexts, &Py.Context.stop/1)
    result
  end

  defp open(mode) do
    {:ok, context} = Py.Context.new(mode: mode)
    :ok = Py.Context.exec(context, @code)
    context
  end

  defp work(context, count) do
    fn ->
      {:ok, _total} = Py.Context.call(context, :__main__, :work, [count], timeout: :infinity)
    end
  end

  # The two ways take turns, so that a slow moment of the machine hits both.
  defp row(name, works) do
    works = works.(calibrate(works))

    {alone, together} = for(_ <- 1..@rounds, do: {in_turn(works), at_once(works)}) |> Enum.unzip()

    [
      name,
      milliseconds(Enum.min(alone)),
      milliseconds(Enum.min(together)),
      ratio(Enum.min(alone), Enum.min(together)),
      ratio(Bench.median(alone), Bench.median(together))
    ]
  end

  # How far to count for one call to take about as long as it should.
  defp calibrate(works, count \\ 1_000_000) do
    [work, _other] = works.(count)
    fastest = Enum.min(for _ <- 1..3, do: time(work)) / 1.0e9

    if fastest < @seconds / 5,
      do: calibrate(works, 4 * count),
      else: round(count * @seconds / fastest)
  end

  defp in_turn(works), do: time(fn -> for work <- works, do: work.() end)

  defp at_once(works),
    do: time(fn -> works |> Enum.map(&Task.async/1) |> Task.await_many(:infinity) end)

  defp time(fun), do: fun |> Bench.timed() |> elem(0)

  defp loop(0, total), do: total
  defp loop(left, total), do: loop(left - 1, total + rem(left * left, 7))

  defp milliseconds(nanoseconds), do: Bench.number(nanoseconds / 1.0e6) <> " ms"
  defp ratio(alone, together), do: Bench.number(alone / together, 2) <> " x"
end

Bench.Parallel.run()
