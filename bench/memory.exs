# Does memory stay where it was, and what does a context take?

Code.require_file("support/bench.exs", __DIR__)

defmodule Bench.Memory do
  @moduledoc false

  @times 100_000
  @contexts 64

  def run do
    Bench.header("Does memory stay where it was, and what does a context take?")
    {:ok, context} = Py.Context.new()

    Bench.table(["#{Bench.number(@times)} times", "before", "after", "change", "per call"], [
      resident_row("eval, the same code", fn n -> same(context, n) end),
      resident_row("eval, other code each time", fn n -> other(context, n) end),
      resident_row("object made and dropped", fn n -> object(context, n) end)
    ])

    python_counts(context)
    :ok = Py.Context.stop(context)

    head = ["#{@contexts} contexts", "opened, each", "memory, each", "closed, each", "kept, each"]
    Bench.table(head, Enum.map(Bench.modes(), &mode/1) ++ cpython())
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

  # The first round also pays for what all contexts share, and for memory that the allocators
  # keep and use again.
  defp mode(mode) do
    open_and_close(mode)
    {opened, full, closed, kept} = open_and_close(mode)
    ["mode #{mode}", milliseconds(opened), each(full), milliseconds(closed), each(kept)]
  end

  defp open_and_close(mode) do
    before = Bench.resident()
    {opened, contexts} = Bench.timed(fn -> for _ <- 1..@contexts, do: open(mode) end)
    full = Bench.resident()
    {closed, _oks} = Bench.timed(fn -> Enum.each(contexts, &Py.Context.stop/1) end)
    {opened, full - before, closed, Bench.resident() - before}
  end

  # CPython's allocator keeps all arenas of an interpreter that ended with anything left in them,
  # and something always is. What that comes to without this library, in a process of its own:
  @cpython """
  import sys, time
  try:
      import _interpreters as interpreters
      create = lambda: interpreters.create("isolated")
  except ImportError:
      import _xxsubinterpreters as interpreters
      create = lambda: interpreters.create(isolated=True)

  def resident():
      with open("/proc/self/status") as status:
          return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

  def round(count):
      before, start = resident(), time.perf_counter_ns()
      opened = [create() for _ in range(count)]
      full, middle = resident(), time.perf_counter_ns()
      for interpreter in opened:
          interpreters.destroy(interpreter)
      print(middle - start, full - before, time.perf_counter_ns() - middle, resident() - before)

  round(int(sys.argv[1]))
  round(int(sys.argv[1]))
  """

  defp cpython do
    with true <- :own_gil in Bench.modes(),
         arguments = ["-c", @cpython, "#{@contexts}"],
         {text, 0} <- System.cmd(Py.info().executable, arguments, stderr_to_stdout: true) do
      line = text |> String.split("\n", trim: true) |> List.last()
      [opened, full, closed, kept] = line |> String.split() |> Enum.map(&String.to_integer/1)

      [
        [
          "CPython alone, own GIL",
          milliseconds(opened),
          each(full),
          milliseconds(closed),
          each(kept)
        ]
      ]
    else
      _no_such_thing -> []
    end
  end

  defp open(mode) do
    {:ok, context} = Py.Context.new(mode: mode)
    context
  end

  defp milliseconds(total), do: Bench.number(total / @contexts / 1.0e6, 2) <> " ms"
  defp per_call(total), do: Bench.number(total / @times / 1.0e3, 2) <> " us"
  defp each(total), do: kilobytes(div(total, @contexts))
  defp kilobytes(value), do: Bench.number(value) <> " kB"
end

Bench.Memory.run()
