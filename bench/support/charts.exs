defmodule Bench.Charts do
  @moduledoc false

  # What of a result is drawn: for each of its tables the columns in the unit that says most.

  # Those that say most come first. A unit stands in the heading of a column, or behind the numbers
  # there, or in the heading of the first column, which then speaks of all of them.
  @units [
    {"a second", ~r"/s\b|\ba second\b"},
    {"us", ~r/\bus\b/},
    {"ms", ~r/\bms\b/},
    {"MB", ~r/\bMB\b/},
    {"kB", ~r/\bkB\b/},
    {"times", ~r/\bx\b| : |^times$/},
    {"%", ~r/%/}
  ]

  @type chart :: %{
          title: String.t(),
          table: String.t(),
          unit: String.t(),
          labels: [String.t()],
          series: [{String.t(), [float | nil]}]
        }

  @doc "The charts of a result, one for each of its tables with numbers."
  @spec read(String.t()) :: [chart]
  def read(text) do
    paragraphs = for part <- String.split(text, "\n\n"), do: String.split(part, "\n", trim: true)
    title = Enum.find_value(paragraphs, "", &titled/1)

    for {before, [head, _rule | rows] = lines} <- Enum.zip([[] | paragraphs], paragraphs),
        Enum.all?(lines, &String.starts_with?(&1, "|")),
        [first | _] = head = cells(head),
        chart <- chart(head, Enum.map(rows, &cells/1)),
        do: Map.merge(chart, %{title: title, table: heading(before) || first})
  end

  defp titled(["# " <> title | _rest]), do: title
  defp titled(_lines), do: nil

  # A line by itself before a table says which of several alike it is.
  defp heading([line]), do: if(not String.starts_with?(line, ["#", "|"]), do: line)
  defp heading(_lines), do: nil

  defp cells(line), do: line |> String.trim("|") |> String.split("|") |> Enum.map(&String.trim/1)

  defp chart([first | names], rows) do
    columns =
      for {name, place} <- Enum.with_index(names, 1),
          cells = Enum.map(rows, &Enum.at(&1, place)),
          Enum.any?(cells, &number/1),
          do: %{name: name, place: place, cells: cells, unit: unit([name | cells], first)}

    measured = Enum.filter(columns, & &1.unit)
    if measured == [], do: draw(columns, "", rows), else: draw(measured, best(measured), rows)
  end

  defp draw([], _unit, _rows), do: []

  # What stands before the first figure tells the rows apart.
  defp draw([%{place: place} | _] = columns, unit, rows) do
    series = for %{unit: own} = column <- columns, own == unit or unit == "", do: series(column)
    labels = for row <- rows, do: row |> Enum.take(place) |> Enum.join(", ")
    [%{unit: unit, labels: labels, series: series}]
  end

  defp series(%{name: name, cells: cells}), do: {name, Enum.map(cells, &number/1)}

  defp best(columns) do
    units = for %{unit: unit} <- columns, do: unit
    {unit, _pattern} = Enum.find(@units, fn {unit, _pattern} -> unit in units end)
    unit
  end

  defp unit(texts, otherwise), do: Enum.find_value(texts, &unit/1) || unit(otherwise)

  defp unit(text) do
    Enum.find_value(@units, fn {unit, pattern} -> if text =~ pattern, do: unit end)
  end

  # With or without a unit behind it; thousands are set apart.
  defp number(cell) do
    case cell |> String.replace(",", "") |> Float.parse() do
      {number, _unit} -> number
      :error -> nil
    end
  end
end
