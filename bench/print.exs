# What does a line of output cost, beside one that Elixir writes to the same device?

Code.require_file("support/bench.exs", __DIR__)

defmodule Bench.Print do
  @moduledoc false

  @lines 10_000
  @rounds 10

  @code """
  import sys
  def lines(count):
      for n in range(count):
          print("line", n)
  def writes(count):
      write = sys.stdout.write
      for n in range(count):
          write("line of output\\n")
  def threads(count):
      import threading
      started = [threading.Thread(target=lines, args=(count // 4,)) for _ in range(4)]
      for thread in started: thread.start()
      for thread in started: thread.join()
  """

  def run do
    Bench.header("What does a line of output cost?")
    {:ok, context} = Py.Context.start_link()
    :ok = Py.Context.exec(context, @code)
    device = spawn_link(&Bench.device/0)

    works = [
      {"IO.puts of Elixir", fn -> for n <- 1..@lines, do: IO.puts(["line ", "#{n}"]) end},
      {"print of Python", fn -> call(context, :lines) end},
      {"sys.stdout.write", fn -> call(context, :writes) end},
      {"print in 4 threads", fn -> call(context, :threads) end},
      {"print in a spawned call", fn -> spawned(context) end}
    ]

    rows = for {name, work} <- works, do: row(name, measure(device, work))
    Bench.table(["measured", "us a line", "lines/s"], rows)
    Py.Context.stop(context)
  end

  # The work is done with that device as its group leader.
  defp measure(device, work) do
    task =
      Task.async(fn ->
        Process.group_leader(self(), device)
        Bench.median(@rounds, work)
      end)

    Task.await(task, :infinity)
  end

  defp call(context, function),
    do: {:ok, nil} = Py.Context.call(context, :__main__, function, [@lines])

  defp spawned(context),
    do: {:ok, nil} = Py.await(Py.spawn_call(:__main__, :lines, [@lines], context: context))

  defp row(name, nanoseconds) do
    line = nanoseconds / @lines
    [name, Bench.number(line / 1_000, 2), Bench.number(1.0e9 / line)]
  end
end

Bench.Print.run()
