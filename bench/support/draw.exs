# Draws the tables of results as bars, by pygal, in an environment of its own.

Code.require_file("charts.exs", __DIR__)

defmodule Bench.Draw do
  @moduledoc false

  @results Path.expand("../results", __DIR__)
  @venv Path.expand("../../_build/bench_venv", __DIR__)

  @code """
  import pygal
  from pygal.style import CleanStyle

  def draw(path, title, unit, labels, series):
      values = [value for _, row in series for value in row if value is not None]
      log = min(values) > 0 and max(values) > 20 * min(values)
      scale = ", ".join(part for part in [unit, "on a logarithmic scale" if log else ""] if part)
      chart = pygal.HorizontalBar(
          title=title, x_title=scale, style=CleanStyle, logarithmic=log, print_values=True,
          show_legend=len(series) > 1, legend_at_bottom=True, width=900,
          height=160 + 28 * len(labels) * len(series), js=[], disable_xml_declaration=True,
      )
      # The first is to be on top, where pygal has the last.
      chart.x_labels = labels[::-1]
      for name, row in reversed(series):
          chart.add(name, row[::-1])
      chart.render_to_file(path)
  """

  def run(names) do
    :ok = Py.Venv.ensure(@venv, ["pygal==3.0.5"])
    # Its libraries look at packages through an extension that only the main interpreter loads.
    {:ok, context} = Py.Context.new(mode: :worker)
    :ok = Py.Context.exec(context, @code)

    for name <- names,
        charts = @results |> Path.join(name <> ".md") |> File.read!() |> Bench.Charts.read(),
        {chart, number} <- Enum.with_index(charts, 1),
        do: draw(context, file(name, number), chart)
  end

  # The first chart of a result has its name, later ones a number besides.
  defp file(name, 1), do: name <> ".svg"
  defp file(name, number), do: "#{name}-#{number}.svg"

  defp draw(context, file, chart) do
    args = [
      Path.join(@results, file),
      chart.title <> "\n" <> chart.table,
      axis(chart),
      chart.labels,
      Enum.map(chart.series, &Tuple.to_list/1)
    ]

    {:ok, nil} = Py.Context.call(context, :__main__, :draw, args)
    IO.puts("bench/results/#{file}")
  end

  # With several series each has its name in the legend.
  defp axis(%{series: [{name, _values}], unit: unit}),
    do: if(String.contains?(name, unit), do: name, else: "#{name}, #{unit}")

  defp axis(%{unit: unit}), do: unit
end

Bench.Draw.run(System.argv())
