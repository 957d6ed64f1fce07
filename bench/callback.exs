# What does it cost Python to call a function of the BEAM, beside a hand-over between a thread and a
# process without Python?

Code.require_file("support/bench.exs", __DIR__)
Code.require_file("support/reference.exs", __DIR__)

defmodule Bench.Callback do
  @moduledoc false

  alias Bench.Reference

  @in_one_call 2_000
  @rounds 40

  @code """
  import erlang
  def call_by_value(count, fun):
      for _ in range(count):
          fun()
  def call_by_name(count):
      call = erlang.call
      for _ in range(count):
          call("bench_nothing")
  def call_with_data(count, fun, data):
      for _ in range(count):
          fun(data)
  """

  def run do
    Bench.header("What does a callback cost?")
    Reference.load()
    :ok = Py.register_function(:bench_nothing, fn -> nil end)
    {:ok, context} = Py.Context.start_link()
    :ok = Py.Context.exec(context, @code)

    # One right after the other and then again, as a machine's mood changes.
    samples =
      for _ <- 1..@rounds, do: for({name, work} <- works(context), do: {name, sample(work)})

    grouped = samples |> Enum.concat() |> Enum.group_by(&elem(&1, 0), &elem(&1, 1))
    reference = grouped |> Map.take(["ping-pong, parked", "ping-pong, spinning"]) |> better()

    rows = for {name, _work} <- works(context), do: row(name, grouped[name], reference)
    Bench.table(["measured, in one call", "median us", "best us", "x ping-pong"], rows)
    Py.Context.stop(context)
  end

  defp works(context) do
    [
      {"ping-pong, parked", fn -> ping(:parked, @in_one_call) end},
      {"ping-pong, spinning", fn -> ping(:spinning, @in_one_call) end},
      {"a function, by value", fn -> call(context, :call_by_value, [fn -> nil end]) end},
      {"a function, by name", fn -> call(context, :call_by_name, []) end},
      {"with 100 integers there and back",
       fn -> call(context, :call_with_data, [& &1, Enum.to_list(1..100)]) end},
      {"that calls the same context again",
       fn -> call(context, :call_by_value, [fn -> nested(context) end]) end}
    ]
  end

  defp call(context, function, arguments),
    do: {:ok, nil} = Py.Context.call(context, :__main__, function, [@in_one_call | arguments])

  defp nested(context) do
    {:ok, 4.0} = Py.Context.call(context, :math, :sqrt, [16])
    nil
  end

  defp ping(_kind, 0), do: :ok

  defp ping(kind, left) do
    :ok = Reference.ping(kind)
    ping(kind, left - 1)
  end

  defp sample(work), do: (work |> Bench.timed() |> elem(0)) / @in_one_call / 1_000

  # Whether a thread had better sleep or spin depends on the load.
  defp better(references),
    do: references |> Map.values() |> Enum.map(&Bench.median/1) |> Enum.min()

  defp row(name, samples, reference) do
    median = Bench.median(samples)

    [
      name,
      Bench.number(median, 2),
      Bench.number(Enum.min(samples), 2),
      Bench.number(median / reference, 2)
    ]
  end
end

Bench.Callback.run()
