# What does a call cost, beside a hand-over to a thread that does nothing?

Code.require_file("support/bench.exs", __DIR__)
Code.require_file("support/reference.exs", __DIR__)

defmodule Bench.Call do
  @moduledoc false

  alias Bench.Reference

  @processes [1, 2, 8, 64]
  @milliseconds 250

  def run do
    Bench.header("What does a call cost?")
    Reference.load()
    {:ok, contexts} = Py.start_contexts()
    contexts = List.to_tuple(contexts)

    head = ["measured", "processes", "p50 us", "p99 us", "calls/s", "x ping-pong"]
    Bench.table(head, Enum.flat_map(@processes, &rows(&1, contexts)))
  end

  # What is compared is measured one right after the other, as a machine's mood changes.
  defp rows(processes, contexts) do
    results =
      for {name, work} <- works(contexts),
          do: {name, Bench.calls(callers(name, processes), @milliseconds, work)}

    # Whether a thread had better sleep or spin between two calls depends on the load.
    reference = Enum.max(for {"ping-pong" <> _, result} <- results, do: result.rate)
    for {name, result} <- results, do: row(name, processes, result, reference)
  end

  defp row(name, processes, result, reference) do
    [
      name,
      Integer.to_string(processes),
      Bench.number(result.p50, 2),
      Bench.number(result.p99, 2),
      Bench.number(result.rate),
      Bench.number(result.rate / reference, 2)
    ]
  end

  # It has one thread to answer, and shows what two cores allow whoever hands something over just
  # then: with many processes, too, they have no more than one such pair.
  @limit "hand-over of 512 bytes, by one"

  defp callers(@limit, _processes), do: 1
  defp callers(_name, processes), do: processes

  defp works(contexts) do
    [
      {"empty NIF", fn _number -> Reference.noop() end},
      {"ping-pong, parked", fn _number -> Reference.ping(:parked) end},
      {"ping-pong, spinning", fn _number -> Reference.ping(:spinning) end},
      {@limit, fn _number -> Reference.hand_over(512) end},
      {"math.sqrt, routed", fn _number -> {:ok, 4.0} = Py.call(:math, :sqrt, [16]) end},
      {"math.sqrt, own context",
       fn number ->
         {:ok, 4.0} = Py.call(:math, :sqrt, [16], context: context(contexts, number))
       end},
      {"math.sqrt, inline",
       fn _number -> {:ok, 4.0} = Py.call(:math, :sqrt, [16], inline: true) end},
      {"eval 1+1, routed", fn _number -> {:ok, 2} = Py.eval("1+1") end},
      {"eval 1+1, own context",
       fn number -> {:ok, 2} = Py.eval("1+1", %{}, context: context(contexts, number)) end}
    ]
  end

  # With more processes than contexts several share one.
  defp context(contexts, number), do: elem(contexts, rem(number, tuple_size(contexts)))
end

Bench.Call.run()
