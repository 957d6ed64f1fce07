# Does memory stay where it was?
#
# The calls are a million, or as many as an argument or BENCH_CALLS says:
#
#     mix run bench/memory.exs 10000000

Code.require_file("support/bench.exs", __DIR__)
Code.require_file("support/reference.exs", __DIR__)

defmodule Bench.Memory do
  @moduledoc false

  alias Bench.Reference

  @times 100_000
  @calls "1000000"

  def run(arguments) do
    Bench.header("Does memory stay where it was?")
    Reference.load()
    arguments |> calls() |> long_run()
    {:ok, context} = Py.Context.new()

    Bench.table(["#{Bench.number(@times)} times", "before", "after", "change", "per call"], [
      resident_row("eval, the same code", fn n -> same(context, n) end),
      resident_row("eval, other code each time", fn n -> other(context, n) end),
      resident_row("object made and dropped", fn n -> object(context, n) end),
      resident_row("process with a namespace of its own", &namespace/1)
    ])

    python_counts(context)
    :ok = Py.Context.stop(context)
  end

  defp calls([]), do: calls([System.get_env("BENCH_CALLS", @calls)])
  defp calls([number]), do: number |> String.replace("_", "") |> String.to_integer()

  ## Many calls

  # A leak grows with every call, so that the second half shows as much of it as the first. What
  # the allocators take once does not.
  defp long_run(calls) do
    {:ok, _contexts} = Py.start_contexts()
    head = ["#{Bench.number(calls)} times", "warmed up", "half way", "at the end"]
    head = head ++ ["first half", "second half", "per call"]

    Bench.table(
      head,
      for {name, work} <- [
            {"ping-pong, spinning", fn _n -> Reference.ping(:spinning) end},
            {"math.sqrt, routed", fn _n -> {:ok, 4.0} = Py.call(:math, :sqrt, [16]) end},
            {"len of 1 KiB of bytes, routed", &length_of/1}
          ] do
        long_row(name, calls, work)
      end
    )
  end

  # Other bytes each time, which may be text or not.
  defp length_of(n), do: {:ok, 1_024} = Py.call(:builtins, :len, [<<n::32, 255, 0::8152>>])

  defp long_row(name, calls, work) do
    half = div(calls, 2)
    times(work, 1..div(calls, 10)//1)
    before = Bench.resident()
    {first, :ok} = Bench.timed(fn -> times(work, 1..half//1) end)
    middle = Bench.resident()
    {second, :ok} = Bench.timed(fn -> times(work, (half + 1)..calls//1) end)
    now = Bench.resident()

    sizes = Enum.map([before, middle, now, middle - before, now - middle], &kilobytes/1)
    [name | sizes] ++ [per_call(first + second, calls)]
  end

  ## Kinds of requests

  defp same(context, _n), do: {:ok, 2} = Py.Context.eval(context, "1 + 1")
  defp other(context, n), do: {:ok, _value} = Py.Context.eval(context, "#{n} + 1")

  # Of a class whose instances Python's collector keeps a list of.
  defp object(context, _n) do
    {:ok, %Py.Object{}} = Py.Context.call(context, :types, :SimpleNamespace, [], return: :object)
  end

  defp namespace(n) do
    work = fn ->
      :ok = Py.exec("x = #{n}")
      {:ok, ^n} = Py.eval("x")
    end

    {_pid, monitor} = spawn_monitor(work)
    receive do: ({:DOWN, ^monitor, :process, _pid, :normal} -> :ok)
  end

  # A first tenth fills caches and lets the allocators take what they will keep.
  defp resident_row(name, work) do
    times(work, 1..div(@times, 10))
    before = Bench.resident()
    {elapsed, :ok} = Bench.timed(fn -> times(work, (@times + 1)..(2 * @times)) end)
    now = Bench.resident()

    [name, kilobytes(before), kilobytes(now), kilobytes(now - before), per_call(elapsed, @times)]
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

  defp per_call(total, times), do: Bench.number(total / times / 1.0e3, 2) <> " us"
  defp kilobytes(value), do: Bench.number(value) <> " kB"
end

Bench.Memory.run(System.argv())
