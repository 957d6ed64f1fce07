# What does a value cost on its way to Python and back?

Code.require_file("support/bench.exs", __DIR__)
Code.require_file("support/packages.exs", __DIR__)
Code.require_file("support/reference.exs", __DIR__)

defmodule Bench.Convert do
  @moduledoc false

  alias Bench.Reference

  @runs 21
  @mebibyte 1_048_576

  @code """
  import pickle, statistics, time

  def echo(value): return value
  def take(value): pass

  def own(value, runs):
      def once():
          start = time.perf_counter_ns()
          pickle.loads(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
          return time.perf_counter_ns() - start
      return statistics.median([once() for _ in range(runs)])
  """

  @numpy """
  import site
  for folder in folders: site.addsitedir(folder)
  import numpy
  """

  @arrays """
  import numpy
  def lent(data): return numpy.frombuffer(data, "f8")
  def copied(data): return lent(data).copy()
  """

  @head ["to Python", "to Elixir", "there and back", "BEAM's own", "x BEAM's own"]

  def run do
    Bench.header("What does a value cost on its way to Python and back?")
    Reference.load()
    {:ok, context} = Py.Context.new()
    :ok = Py.Context.exec(context, @code)

    rows = for {name, value, back} <- values(), do: value_row(context, name, value, back)
    Bench.table(["value" | @head] ++ ["Python's own", "x both"], rows)
    mebibyte(context, numpy(Bench.Packages.folders("numpy")))
  end

  # Each with what comes back for it.
  defp values do
    maps = for n <- 1..10_000, do: %{"id" => n, "name" => "user #{n}", "score" => n / 3}
    atoms = for n <- 1..10_000, do: %{id: n, name: "user #{n}", score: n / 3}
    ints = Enum.to_list(1..100_000)
    floats = Enum.map(ints, &(&1 / 7))

    [
      {"10,000 maps, 3 text keys", maps, maps},
      {"10,000 maps, 3 atom keys", atoms, maps},
      {"100,000 integers", ints, ints},
      {"100,000 floats", floats, floats}
    ]
  end

  ## 1 MiB

  # Beside what the memory of this machine allows: a copy there, and another one back.
  defp mebibyte(context, numpy) do
    text = String.duplicate("0123456789abcdef", div(@mebibyte, 16))
    raw = :binary.copy(<<0xFF, 0::120>>, div(@mebibyte, 16))
    # The least of several, as this is what the others are measured by.
    {_there, _home, both} = memcpy = copies(&Reference.copy/1, raw)
    reference = Enum.min(for _ <- 1..3, do: time(both))

    rows = [
      row("memcpy, to memory in use", raw, memcpy, reference),
      row("memcpy, to a new binary", raw, copies(&Reference.copy_to_new/1, raw), reference),
      row("text", text, echo(context, text, text), reference),
      row("bytes", raw, echo(context, raw, raw), reference),
      row("Py.buffer", raw, echo(context, Py.buffer(raw), raw), reference)
    ]

    head = ["1 MiB of" | @head] ++ ["x memcpy"]
    Bench.table(head, rows ++ arrays(numpy, raw, reference))
  end

  defp copies(copy, raw) do
    one = fn -> copy.(raw) end

    both = fn ->
      copy.(raw)
      copy.(raw)
    end

    {one, one, both}
  end

  # numpy wants the main interpreter.
  defp numpy([]), do: nil

  defp numpy(folders) do
    {:ok, context} = Py.Context.new(mode: :worker)
    {:ok, nil} = Py.eval(@numpy, %{folders: folders}, context: context, timeout: 60_000)
    :ok = Py.Context.exec(context, @arrays)
    context
  end

  defp arrays(nil, _raw, _reference),
    do: [["numpy's arrays: it cannot be had here" | List.duplicate("", 6)]]

  defp arrays(context, raw, reference) do
    for {name, function} <- [
          {"floats, numpy's array of Py.buffer", :lent},
          {"the same, copied by numpy", :copied}
        ],
        do: row(name, raw, array(context, function, raw), reference)
  end

  ## Ways there, home, and both

  defp echo(context, value, back) do
    {:ok, ^back} = call(context, :echo, [value])
    {:ok, object} = call(context, :echo, [value], return: :object)

    {
      fn -> {:ok, nil} = call(context, :take, [value]) end,
      fn -> {:ok, _term} = Py.Object.to_term(object) end,
      fn -> {:ok, _term} = call(context, :echo, [value]) end
    }
  end

  defp array(context, function, raw) do
    there = fn ->
      {:ok, %Py.Object{} = array} = call(context, function, [Py.buffer(raw)], return: :object)

      array
    end

    array = there.()
    {:ok, ^raw} = Py.Object.to_binary(array)
    home = fn -> {:ok, _binary} = Py.Object.to_binary(array) end
    {there, home, fn -> {:ok, _binary} = Py.Object.to_binary(there.()) end}
  end

  defp row(name, value, ways, reference) do
    {figures, both, _beam} = measure(name, value, ways)
    figures ++ [Bench.number(both / reference, 2)]
  end

  # Beside what each side by itself needs to take such a value apart and to make it again.
  defp value_row(context, name, value, back) do
    {figures, both, beam} = measure(name, value, echo(context, value, back))
    {:ok, python} = call(context, :own, [value, @runs])
    figures ++ [milliseconds(python), Bench.number(both / (beam + python), 2)]
  end

  defp measure(name, value, {there, home, both}) do
    both = time(both)
    beam = time(fn -> value |> :erlang.term_to_binary() |> :erlang.binary_to_term() end)
    figures = Enum.map([time(there), time(home), both, beam], &milliseconds/1)
    {[name | figures] ++ [Bench.number(both / beam, 2)], both, beam}
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
