# What is saved when JSON goes to Python and comes back without becoming terms?

Code.require_file("support/bench.exs", __DIR__)

defmodule Bench.JSON do
  @moduledoc false

  @runs 21

  @python """
  import json
  def echo(value): return value
  def take(value): pass
  def loads(text): json.loads(text)
  def kept(): return VALUE
  def kept_dumps(): return json.dumps(VALUE, separators=(',', ':'))
  """

  def run do
    Bench.header("What is saved when JSON goes to Python and comes back without becoming terms?")
    {:ok, context} = Py.Context.new()
    :ok = Py.Context.exec(context, @python)

    head = [
      "document",
      "size",
      "Py.json",
      "json.loads",
      "term in",
      "return: :json",
      "json.dumps",
      "term out"
    ]

    Bench.table(head, for({name, code} <- documents(), do: row(name, code, context)))
  end

  defp documents do
    [
      {"10,000 rows of 3",
       "[{'id': n, 'name': f'user {n}', 'score': n / 3} for n in range(10_000)]"},
      {"100,000 integers", "list(range(100_000))"},
      {"100,000 floats", "[n / 7 for n in range(100_000)]"},
      {"1 MiB of text", "'0123456789abcdef' * 65_536"},
      {"20 fields", "{f'field_{n}': n for n in range(20)}"}
    ]
  end

  defp row(name, code, context) do
    :ok = Py.Context.exec(context, "VALUE = #{code}")
    {:ok, text} = call(context, :kept, [], return: :json)
    {:ok, ^text} = call(context, :echo, [Py.json(text)], return: :json)
    {:ok, term} = call(context, :kept, [])

    times =
      for work <- [
            fn -> {:ok, nil} = call(context, :take, [Py.json(text)]) end,
            fn -> {:ok, nil} = call(context, :loads, [text]) end,
            fn -> {:ok, nil} = call(context, :take, [term]) end,
            fn -> {:ok, _json} = call(context, :kept, [], return: :json) end,
            fn -> {:ok, _json} = call(context, :kept_dumps, []) end,
            fn -> {:ok, _term} = call(context, :kept, []) end
          ],
          do: Bench.number(time(work) / 1_000) <> " µs"

    [name, "#{Bench.number(byte_size(text) / 1_000)} kB" | times]
  end

  # Every run in a process of its own, so that none pays for what another left on the heap.
  defp time(fun) do
    runs = fn -> Bench.in_parallel(1, fn _number -> elem(Bench.timed(fun), 0) end) end
    runs.()
    Bench.median(for _ <- 1..@runs, do: hd(runs.()))
  end

  defp call(context, function, args, opts \\ []),
    do: Py.Context.call(context, :__main__, function, args, opts)
end

Bench.JSON.run()
