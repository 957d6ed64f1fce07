# What does a value cost that all contexts share, beside one that Python asks a process or ETS for?

Code.require_file("support/bench.exs", __DIR__)

defmodule Bench.State do
  @moduledoc false

  alias Py.State

  @in_one_call 5_000
  @rounds 40
  @table __MODULE__

  @code """
  import erlang
  from erlang import state_get, state_incr, state_set
  def nothing(count):
      for _ in range(count):
          pass
  def get(count, key):
      for _ in range(count):
          state_get(key)
  def put(count, key):
      for _ in range(count):
          state_set(key, 42)
  def incr(count, key):
      for _ in range(count):
          state_incr(key)
  def ask(count, key):
      from erlang import bench_lookup
      for _ in range(count):
          bench_lookup(key)
  """

  @values [
    {"an integer", "integer", 42},
    {"a binary of 20 bytes", "binary", String.duplicate("x", 20)},
    {"a map of 3", "map", %{"a" => 1, "b" => 2.5, "c" => "three"}},
    {"a list of 1,000 integers", "list", Enum.to_list(1..1_000)}
  ]

  def run do
    Bench.header("What does shared state cost?")
    :ets.new(@table, [:named_table, :public, read_concurrency: true])

    for {_what, key, value} <- @values do
      State.store(key, value)
      :ets.insert(@table, {key, value})
    end

    :ok = Py.register_function(:bench_lookup, fn [key] -> :ets.lookup_element(@table, key, 2) end)
    {:ok, context} = Py.Context.start_link()
    :ok = Py.Context.exec(context, @code)
    python(context)
    elixir()
    together()
    Py.Context.stop(context)
  end

  defp python(context) do
    rows =
      for {what, key, _value} <- @values do
        [get, ask] = for function <- [:get, :ask], do: each(context, function, [key])

        [
          "state_get of #{what}",
          Bench.number(get, 2),
          Bench.number(ask, 2),
          Bench.number(ask / get, 1)
        ]
      end

    Bench.table(["in Python", "us", "us by a callback to ETS", "times"], rows)

    rows =
      for {name, function, arguments} <- [
            {"state_set of an integer", :put, ["set"]},
            {"state_incr", :incr, ["count"]},
            {"an empty round of the loop", :nothing, []}
          ],
          do: [name, Bench.number(each(context, function, arguments), 2)]

    Bench.table(["in Python", "us"], rows)
  end

  defp elixir do
    rows =
      for {what, key, _value} <- @values do
        state = repeated(fn -> State.fetch(key) end)
        ets = repeated(fn -> :ets.lookup_element(@table, key, 2) end)
        ["Py.State.fetch of #{what}", Bench.number(state, 2), Bench.number(ets, 2)]
      end

    incr = [
      "Py.State.incr",
      Bench.number(repeated(fn -> State.incr("n") end), 2),
      Bench.number(repeated(fn -> :ets.update_counter(@table, "n", 1, {"n", 0}) end), 2)
    ]

    Bench.table(["in Elixir", "us", "us of ETS"], rows ++ [incr])
  end

  # As many contexts as there are cores, all with the same key.
  defp together do
    count = System.schedulers_online()
    contexts = for _ <- 1..count, do: elem({:ok, _} = Py.Context.start_link(), 1)
    for context <- contexts, do: :ok = Py.Context.exec(context, @code)

    rows =
      for {name, function} <- [{"state_get", :get}, {"state_incr", :incr}] do
        alone = rate(Enum.take(contexts, 1), function)
        all = rate(contexts, function)

        [
          name,
          Bench.number(alone / 1_000),
          Bench.number(all / 1_000),
          Bench.number(all / alone, 2)
        ]
      end

    Bench.table(["one key", "1000/s from 1 context", "from #{count}", "times"], rows)
    Enum.each(contexts, &Py.Context.stop/1)
  end

  defp rate(contexts, function) do
    nanoseconds =
      Bench.median(@rounds, fn ->
        contexts
        |> Enum.map(&Task.async(fn -> call(&1, function, ["integer"]) end))
        |> Task.await_many(:infinity)
      end)

    length(contexts) * @in_one_call / (nanoseconds / 1.0e9)
  end

  defp each(context, function, arguments) do
    Bench.median(@rounds, fn -> call(context, function, arguments) end) / @in_one_call / 1_000
  end

  defp call(context, function, arguments),
    do: {:ok, nil} = Py.Context.call(context, :__main__, function, [@in_one_call | arguments])

  defp repeated(work), do: Bench.median(@rounds, fn -> repeat(work, @in_one_call) end) / 5.0e6

  defp repeat(_work, 0), do: :ok

  defp repeat(work, left) do
    work.()
    repeat(work, left - 1)
  end
end

Bench.State.run()
