# How long does it take to start, and until the first call has its answer?

Code.require_file("support/bench.exs", __DIR__)

defmodule Bench.Start do
  @moduledoc false

  @runs 9
  @child Path.expand("support/start.exs", __DIR__)

  def run do
    Bench.header("How long does it take to start?")

    # Each in a BEAM of its own. They take turns, as a machine's mood changes.
    figures = for _ <- 1..@runs, figure <- child([]) ++ child(["ahead"]) ++ python(), do: figure
    grouped = Enum.group_by(figures, &elem(&1, 0), &elem(&1, 1))
    rows = for {name, title} <- titles(), do: row(title, grouped[name])
    Bench.table(["in a fresh BEAM, #{@runs} times", "median ms", "best ms"], rows)
  end

  defp titles do
    [
      {"nothing", "an application that does nothing"},
      {"python", "that Python by itself, until it has ended"},
      {"library", "this library"},
      {"first", "the first call, math.sqrt"},
      {"second", "the second call"},
      {"later", "a call after a hundred others"},
      {"contexts", "Py.start_contexts, #{Py.info().num_contexts} contexts"},
      {"first_after", "the first call after that"}
    ]
  end

  # With this library's code, and without Mix, whose work is none of its.
  defp child(arguments) do
    ours = for path <- :code.get_path(), path = to_string(path), path =~ "/_build/", do: path
    paths = Enum.flat_map(ours, &["-pa", &1])
    {text, 0} = System.cmd("elixir", paths ++ [@child | arguments])

    for "bench " <> line <- String.split(text, "\n"), [name, microseconds] = String.split(line) do
      {name, String.to_integer(microseconds) / 1_000}
    end
  end

  # The library asks a Python where it has its parts before it loads them.
  defp python do
    python = Py.info().executable
    {elapsed, {"", 0}} = Bench.timed(fn -> System.cmd(python, ["-c", "pass"]) end)
    [{"python", elapsed / 1.0e6}]
  end

  defp row(title, figures),
    do: [title, Bench.number(Bench.median(figures), 3), Bench.number(Enum.min(figures), 3)]
end

Bench.Start.run()
