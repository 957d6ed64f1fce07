# What does a context take?

Code.require_file("support/bench.exs", __DIR__)

defmodule Bench.Contexts do
  @moduledoc false

  @contexts 64
  @idle_seconds 10

  def run do
    Bench.header("What does a context take?")
    head = ["#{@contexts} contexts", "opened, each", "memory, each", "closed, each", "kept, each"]
    Bench.table(head, Enum.map(Bench.modes(), &mode/1) ++ cpython())
    idle()
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

  # Threads that wait for requests are to cost nothing. Each has had one, as no thread would have
  # been seen to go back to sleep otherwise.
  defp idle do
    mode = Bench.default_mode().name

    open = fn ->
      contexts = for _ <- 1..@contexts, do: open(mode)
      for context <- contexts, do: {:ok, 4.0} = Py.Context.call(context, :math, :sqrt, [16])
      contexts
    end

    close = fn contexts -> Enum.each(contexts, &Py.Context.stop/1) end
    Bench.idle(@idle_seconds, "#{@contexts} contexts of mode #{mode} that wait", open, close)
  end

  defp open(mode) do
    {:ok, context} = Py.Context.new(mode: mode)
    context
  end

  defp milliseconds(total), do: Bench.number(total / @contexts / 1.0e6, 2) <> " ms"
  defp each(total), do: Bench.number(div(total, @contexts)) <> " kB"
end

Bench.Contexts.run()
