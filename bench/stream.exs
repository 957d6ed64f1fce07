# How fast do items stream out of Python, and does memory stay where it is?

Code.require_file("support/bench.exs", __DIR__)

defmodule Bench.Stream do
  @moduledoc false

  @items 1_000_000
  @rounds 3

  @code """
  def numbers(count):
      for n in range(count):
          yield n
  def rows(count):
      for n in range(count):
          yield {"id": n, "name": "somebody"}
  async def later(count):
      for n in range(count):
          yield n
  """

  def run do
    Bench.header("How fast are streams?")
    {:ok, context} = Py.Context.start_link()
    :ok = Py.Context.exec(context, @code)

    head = ["#{Bench.number(@items)} items", "items/s", "memory grew by MB"]
    Bench.table(head, for({name, work} <- works(context), do: row(name, work)))
    Py.Context.stop(context)
  end

  defp works(context) do
    [
      {"Elixir's own Stream", fn -> Stream.run(Stream.map(1..@items, & &1)) end},
      {"Py.stream, a range", fn -> lazy(:builtins, :range, context, []) end},
      {"Py.stream, a generator", fn -> lazy(:__main__, :numbers, context, []) end},
      {"the same, batch: 10", fn -> lazy(:__main__, :numbers, context, batch: 10) end},
      {"Py.stream, maps", fn -> lazy(:__main__, :rows, context, []) end},
      {"Py.stream, an async generator", fn -> lazy(:__main__, :later, context, []) end},
      {"Py.stream_start, a generator", fn -> pushed(context) end}
    ]
  end

  defp lazy(module, function, context, options) do
    stream = Py.stream(module, function, [@items], [context: context] ++ options)
    @items = Enum.reduce(stream, 0, fn _item, count -> count + 1 end)
  end

  defp pushed(context) do
    ref = Py.stream_start(:__main__, :numbers, [@items], context: context)
    take(ref, 0)
  end

  defp take(ref, count) do
    receive do
      {:py_stream, ^ref, {:data, _item}} -> take(ref, count + 1)
      {:py_stream, ^ref, :done} -> @items = count
    end
  end

  # The first round brings memory to where it stays.
  defp row(name, work) do
    work.()
    before = Bench.resident()
    times = for _ <- 1..@rounds, do: work |> Bench.timed() |> elem(0)
    grown = (Bench.resident() - before) / 1_024
    [name, Bench.number(@items / (Bench.median(times) / 1.0e9)), Bench.number(grown, 1)]
  end
end

Bench.Stream.run()
