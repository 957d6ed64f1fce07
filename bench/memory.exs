# Does memory stay where it was?

Code.require_file("support/bench.exs", __DIR__)

defmodule Bench.Memory do
  @moduledoc false

  @times 100_000

  def run do
    Bench.header("Does memory stay where it was?")
    {:ok, context} = Py.Context.new()

    Bench.table(["#{Bench.number(@times)} times", "before", "after", "change", "per call"], [
      resident_row("eval, the same code", fn n -> same(context, n) end),
      resident_row("eval, other code each time", fn n -> other(context, n) end),
      resident_row("object made and dropped", fn n -> object(context, n) end)
    ])

    python_counts(context)
    :ok = Py.Context.stop(context)
  end

  defp same(context, _n), do: {:ok, 2} = Py.Context.eval(context, "1 + 1")
  defp other(context, n), do: {:ok, _value} = Py.Context.eval(context, "#{n} + 1")

  # Of a class whose instances Python's collector keeps a list of.
  defp object(context, _n) do
    {:ok, %Py.Object{}} = Py.Context.call(context, :types, :SimpleNamespace, [], return: :object)
  end

  # A first tenth fills caches and lets the allocators take what they will keep.
  defp resident_row(name, work) do
    times(work, 1..div(@times, 10))
    before = Bench.resident()
    {elapsed, :ok} = Bench.timed(fn -> times(work, (@times + 1)..(2 * @times)) end)
    now = Bench.resident()

    [name, kilobytes(before), kilobytes(now), kilobytes(now - before), per_call(elapsed)]
  end

  # In a process that ends, so that its garbage goes with it. It is told apart by the monitor's
  # message, which comes when the process is gone for good.
  defp times(work, range) do
    {_pid, monitor} = spawn_monitor(fn -> Enum.each(range, work) end)
    receive do: ({:DOWN, ^monitor, :process, _pid, :normal} -> :ok)
  end

  # Python's own counts know of no caches and no pages: one left behind is one too many.
  @counts """
  import gc, sys
  gc.collect()
  (len(gc.get_objects()), sys.getallocatedblocks())
  """

  defp python_counts(context) do
    times(&object(context, &1), 1..1_000)
    before = counts(context)
    times(&object(context, &1), 1..@times)
    now = counts(context)

    head = ["Python's counts, #{Bench.number(@times)} objects", "before", "after", "change"]
    names = ["objects known to the collector", "blocks of its own allocator"]

    Bench.table(
      head,
      for {name, before, now} <- Enum.zip([names, before, now]) do
        [name | Enum.map([before, now, now - before], &Bench.number/1)]
      end
    )
  end

  defp counts(context) do
    {:ok, counts} = Py.Context.eval(context, @counts)
    Tuple.to_list(counts)
  end

  defp per_call(total), do: Bench.number(total / @times / 1.0e3, 2) <> " us"
  defp kilobytes(value), do: Bench.number(value) <> " kB"
end

Bench.Memory.run()
