Code.require_file("../../bench/support/charts.exs", __DIR__)

defmodule Bench.ChartsTest do
  use ExUnit.Case, async: true

  alias Bench.Charts

  @facts """
  # How much?

  CPU     one of 2 cores
  mode    own_gil, pool of 2

  """

  defp chart(table) do
    assert [chart] = Charts.read(@facts <> table)
    assert chart.title == "How much?"
    chart
  end

  test "rates are drawn where there are any, and what comes before the figures names the rows" do
    chart =
      chart("""
      | measured | processes | p50 us | calls/s | x ping-pong |
      |----------|----------:|-------:|--------:|------------:|
      | call     |         1 |   1.25 | 800,000 |        0.50 |
      | eval     |        64 |  10.00 |  90,500 |        0.10 |
      """)

    assert %{table: "measured", unit: "a second"} = chart
    assert chart.labels == ["call, 1", "eval, 64"]
    assert chart.series == [{"calls/s", [800_000.0, 90_500.0]}]
  end

  test "a rate without decimals is none of the words" do
    chart =
      chart("""
      | 50 connection(s) | requests/s | x asyncio |
      |------------------|-----------:|----------:|
      | Py.Reactor       |    131,204 |      4.10 |
      | gen_tcp          |     99,001 |      3.09 |
      """)

    assert chart.labels == ["Py.Reactor", "gen_tcp"]
    assert [{"requests/s", [131_204.0, 99_001.0]}] = chart.series
  end

  test "the first heading may say the unit of all columns but those that have their own" do
    chart =
      chart("""
      | a second, the best of 3 | stdlib | uvloop | erlang | erlang : stdlib |
      |-------------------------|-------:|-------:|-------:|----------------:|
      | call_soon               |  1,000 |  3,000 |  2,000 |            2.00 |
      """)

    assert chart.unit == "a second"
    assert chart.labels == ["call_soon"]
    assert for({name, _values} <- chart.series, do: name) == ~w(stdlib uvloop erlang)
  end

  test "the unit may stand behind the numbers" do
    chart =
      chart("""
      | 10 contexts  | opened, each | memory, each | closed, each | kept, each |
      |--------------|-------------:|-------------:|-------------:|-----------:|
      | mode own_gil |     12.50 ms |     4,096 kB |      3.00 ms |     -12 kB |
      | mode worker  |      0.25 ms |       100 kB |            - |       0 kB |
      """)

    assert chart.unit == "ms"
    assert chart.series == [{"opened, each", [12.5, 0.25]}, {"closed, each", [3.0, nil]}]
  end

  test "a speed-up is drawn where nothing else can be" do
    chart =
      chart("""
      | measured | speed-up | of medians |
      |----------|---------:|-----------:|
      | the BEAM |   1.95 x |     1.90 x |
      """)

    assert %{unit: "times", series: [{"speed-up", [1.95]}, {"of medians", [1.9]}]} = chart
  end

  test "numbers without a unit are drawn as well" do
    chart =
      chart("""
      | Python's counts, 1,000 objects  | before | after | change |
      |---------------------------------|-------:|------:|-------:|
      | blocks of its own allocator     |  1,000 | 1,002 |      2 |
      """)

    assert %{unit: "", labels: ["blocks of its own allocator"]} = chart
    assert [{"before", [1_000.0]}, {"after", _}, {"change", [2.0]}] = chart.series
  end

  test "every table has a chart, and a line before it is what tells it from the others" do
    table = "| what | ms |\n|------|---:|\n| one  | 1.0 |\n"
    text = @facts <> "mode own_gil, timeout: 50\n\n" <> table <> "\n" <> table <> "\nwords\n"
    assert [%{table: "mode own_gil, timeout: 50"}, %{table: "what"}] = Charts.read(text)
    assert Charts.read(@facts <> "| what | why |\n|---|---:|\n| one | two |\n") == []
  end
end
