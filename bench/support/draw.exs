defmodule Bench.Draw do
  @moduledoc false

  # Draws the first table of each result as bars, by pygal, in an environment of its own.

  @results Path.expand("../results", __DIR__)
  @venv Path.expand("../../_build/bench_venv", __DIR__)

  @code """
  import pygal
  from pygal.style import CleanStyle

  def draw(path, title, unit, bars):
      log = max(value for _, value in bars) > 20 * min(value for _, value in bars)
      chart = pygal.HorizontalBar(
          title=title, x_title=unit + (", on a logarithmic scale" if log else ""),
          style=CleanStyle, show_legend=False, print_values=True, logarithmic=log,
          height=120 + 28 * len(bars), width=900, js=[], disable_xml_declaration=True,
      )
      chart.x_labels = [label for label, _ in reversed(bars)]
      chart.add(unit, [value for _, value in reversed(bars)])
      chart.render_to_file(path)
  """

  def run(names) do
    :ok = Py.Venv.ensure(@venv, ["pygal==3.0.5"])
    # Its libraries look at packages through an extension that only the main interpreter loads.
    {:ok, context} = Py.Context.new(mode: :worker)
    :ok = Py.Context.exec(context, @code)

    for name <- names,
        {title, unit, bars} <- table(name),
        do: draw(context, name, title, unit, bars)
  end

  defp draw(context, name, title, unit, bars) do
    path = Path.join(@results, name <> ".svg")
    {:ok, nil} = Py.Context.call(context, :__main__, :draw, [path, title, unit, bars])
    IO.puts("bench/results/#{name}.svg")
  end

  # The title, and of the first table the column that counts.
  defp table(name) do
    lines = @results |> Path.join(name <> ".md") |> File.read!() |> String.split("\n")
    title = Enum.find_value(lines, name, &titled/1)
    rows = lines |> Enum.drop_while(&(not row?(&1))) |> Enum.take_while(&row?/1)

    with [head, _rule | rows] <- Enum.map(rows, &cells/1),
         column when column != nil <- Enum.find_index(head, &counts?/1),
         [_ | _] = bars <- for(row <- rows, value = value(row, column), do: {label(row), value}) do
      [{title, Enum.at(head, column), bars}]
    else
      _nothing_to_draw -> []
    end
  end

  defp titled("# " <> title), do: title
  defp titled(_line), do: nil

  defp row?(line), do: String.starts_with?(line, "|")
  defp cells(line), do: line |> String.trim("|") |> String.split("|") |> Enum.map(&String.trim/1)

  # Rates are what the figures are compared by, then times.
  defp counts?(name), do: name =~ ~r"/s\b|\bus\b|\bms\b|a second"

  # Words, and how many processes or which mode: all that comes before the first decimal.
  defp label(row), do: row |> Enum.take_while(&(not (&1 =~ ~r/^[\d,]+\.\d/))) |> Enum.join(", ")

  defp value(row, column) do
    case row |> Enum.at(column) |> String.replace(",", "") |> Float.parse() do
      {value, _rest} when value > 0 -> value
      _none -> nil
    end
  end
end

Bench.Draw.run(System.argv())
