# What does it cost to look on, and what when nobody does?

Code.require_file("support/bench.exs", __DIR__)

# What emits events where the library `:telemetry` is not there: a look for handlers in a table,
# of which there are none, as in that library.
unless Code.ensure_loaded?(:telemetry) do
  defmodule :telemetry do
    def execute(event, _measurements, _metadata) do
      [] = :ets.lookup(:bench_telemetry, event)
      :ok
    end
  end

  :ets.new(:bench_telemetry, [:named_table, :bag, :public, read_concurrency: true])
end

defmodule Bench.Observability do
  @moduledoc false

  @calls 20_000
  @inner 10_000
  @rounds 7

  @code """
  import logging, erlang
  log = logging.getLogger("bench")
  def nothing(count):
      for n in range(count):
          pass
  def spans(count):
      for n in range(count):
          with erlang.Span("work", n=n):
              pass
  @erlang.trace
  def traced(): pass
  def decorated(count):
      for n in range(count):
          traced()
  def debugs(count):
      for n in range(count):
          log.debug("item %d", n)
  def warnings(count):
      for n in range(count):
          log.warning("item %d", n)
  def prints(count):
      for n in range(count):
          print("item", n)
  """

  def run do
    Bench.header("What does it cost to look on?")
    {:ok, context} = Py.Context.start_link()
    :ok = Py.Context.exec(context, @code)
    telemetry(context)
    in_python(context)
    Py.Context.stop(context)
  end

  defp telemetry(context) do
    call = fn ->
      for _ <- 1..@calls, do: {:ok, 4.0} = Py.Context.call(context, :math, :sqrt, [16.0])
    end

    off = Bench.median(@rounds, call) / @calls
    Py.Telemetry.enable()
    on = Bench.median(@rounds, call) / @calls
    Py.Telemetry.disable()

    info =
      Bench.median(@rounds, fn -> for _ <- 1..@calls, do: Py.Context.info(context) end) / @calls

    rows =
      for {name, ns} <- [{"call", off}, {"call with telemetry", on}, {"Py.Context.info", info}],
          do: [name, Bench.number(ns / 1_000, 2)]

    Bench.table(["measured", "us each"], rows)
  end

  defp in_python(context) do
    :logger.set_primary_config(:level, :none)
    device = spawn_link(&Bench.device/0)

    works = [
      {"span, nobody looks", :spans, &Py.Tracer.disable/0},
      {"traced function, nobody looks", :decorated, &Py.Tracer.disable/0},
      {"span, kept", :spans, &Py.Tracer.enable/0},
      {"traced function, kept", :decorated, &Py.Tracer.enable/0},
      {"log record below the level", :debugs, fn -> :ok end},
      {"log record that Logger drops", :warnings, fn -> :ok end},
      {"line of print", :prints, fn -> :ok end}
    ]

    base = measure(device, context, :nothing)

    rows =
      for {name, function, setup} <- works do
        setup.()

        [
          name,
          Bench.number(max(measure(device, context, function) - base, 0) / @inner / 1_000, 2)
        ]
      end

    Py.Tracer.disable()
    Py.Tracer.clear()
    Bench.table(["in Python", "us each"], rows)
  end

  defp measure(device, context, function) do
    task =
      Task.async(fn ->
        Process.group_leader(self(), device)

        Bench.median(@rounds, fn ->
          {:ok, nil} = Py.Context.call(context, :__main__, function, [@inner])
        end)
      end)

    Task.await(task, :infinity)
  end
end

Bench.Observability.run()
