# What does a value cost on its way to Python and back?

Code.require_file("support/bench.exs", __DIR__)

defmodule Bench.Convert do
  @moduledoc false

  @runs 21
  @mebibyte 1_048_576

  def run do
    Bench.header("What does a value cost on its way to Python and back?")
    {:ok, context} = Py.Context.new()
    :ok = Py.Context.exec(context, "def echo(value): return value\ndef take(value): pass")

    head = ["value", "to Python", "to Elixir", "there and back", "BEAM's own", "x BEAM's own"]
    Bench.table(head, for({name, value, back} <- values(), do: row(name, value, back, context)))
  end

  # Each with what comes back for it.
  defp values do
    maps = for n <- 1..10_000, do: %{"id" => n, "name" => "user #{n}", "score" => n / 3}
    atoms = for n <- 1..10_000, do: %{id: n, name: "user #{n}", score: n / 3}
    ints = Enum.to_list(1..100_000)
    text = String.duplicate("0123456789abcdef", div(@mebibyte, 16))
    raw = :binary.copy(<<0xFF, 0::120>>, div(@mebibyte, 16))

    [
      {"10,000 maps, 3 text keys", maps, maps},
      {"10,000 maps, 3 atom keys", atoms, maps},
      {"100,000 integers", ints, ints},
      {"100,000 floats", Enum.map(ints, &(&1 / 7)), Enum.map(ints, &(&1 / 7))},
      {"1 MiB of text", text, text},
      {"1 MiB of bytes", raw, raw},
      {"1 MiB as Py.buffer", Py.buffer(raw), raw}
    ]
  end

  defp row(name, value, back, context) do
    {:ok, ^back} = call(context, :echo, [value])
    {:ok, object} = call(context, :echo, [value], return: :object)

    there = time(fn -> {:ok, nil} = call(context, :take, [value]) end)
    home = time(fn -> {:ok, _term} = Py.Object.to_term(object) end)
    both = time(fn -> {:ok, _term} = call(context, :echo, [value]) end)
    beam = time(fn -> value |> :erlang.term_to_binary() |> :erlang.binary_to_term() end)

    [name | Enum.map([there, home, both, beam], &milliseconds/1)] ++
      [Bench.number(both / beam, 2)]
  end

  # Every run in a process of its own: what the one before left behind on the heap would have to
  # be collected at a time that looks like part of the conversion.
  defp time(fun) do
    runs = fn -> Bench.in_parallel(1, fn _number -> elem(Bench.timed(fun), 0) end) end
    runs.()
    Bench.median(for _ <- 1..@runs, do: hd(runs.()))
  end

  defp call(context, function, args, opts \\ []),
    do: Py.Context.call(context, :__main__, function, args, opts)

  defp milliseconds(nanoseconds), do: Bench.number(nanoseconds / 1.0e6, 3) <> " ms"
end

Bench.Convert.run()
