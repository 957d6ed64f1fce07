# What the examples share: how they print, take the time, and use many processes.

defmodule Example do
  @moduledoc false

  def ok({:ok, value}), do: value
  def ok({:error, exception}), do: raise(exception)

  def timed(fun) do
    start = System.monotonic_time(:nanosecond)
    result = fun.()
    {System.monotonic_time(:nanosecond) - start, result}
  end

  @doc false
  # A process for each item, all at the same time.
  def in_processes(items, fun) do
    items
    |> Task.async_stream(&{&1, fun.(&1)}, max_concurrency: Enum.count(items), timeout: :infinity)
    |> Map.new(fn {:ok, answer} -> answer end)
  end

  def milliseconds(time), do: "#{decimals(time / 1.0e6)} ms"
  def seconds(time), do: "#{decimals(time / 1.0e9)} s"
  def decimals(value), do: :erlang.float_to_binary(value / 1, decimals: 1)

  @doc false
  # Columns of short values are aligned right, as numbers are read; the last one is text.
  def table(head, rows) do
    columns = Enum.zip_with([head | rows], & &1)
    widths = for column <- columns, do: column |> Enum.map(&String.length/1) |> Enum.max()
    last = length(head) - 1

    for row <- [head | rows] do
      row
      |> Enum.zip(widths)
      |> Enum.with_index(fn
        {cell, _width}, ^last -> cell
        {cell, width}, 0 -> String.pad_trailing(cell, width)
        {cell, width}, _column -> String.pad_leading(cell, width)
      end)
      |> Enum.join("  ")
      |> say()
    end
  end

  # Colours only where there is a terminal to show them.
  def title(text), do: IO.puts(IO.ANSI.format(["\n", :bright, text, :reset, "\n"]))
  def say(text), do: IO.puts(["  ", text])
  def gap, do: IO.puts("")
end
