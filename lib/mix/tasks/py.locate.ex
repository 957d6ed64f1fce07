defmodule Mix.Tasks.Py.Locate do
  @shortdoc "Prints the Python in use, for shell scripts"

  @moduledoc """
  Prints the Python in use as lines that a shell can evaluate.

      $ eval "$(mix py.locate)"
      $ echo "$PY_TAG $PY_EXECUTABLE"
      cp313 /usr/bin/python3.13

  The variables are `PY_EXECUTABLE`, `PY_VERSION`, `PY_TAG`, `PY_LIBPYTHON` and `PY_LIBDIR`
  (the directory of the shared library).

  With `--all` it prints the paths of one interpreter per version tag instead, newest first, one
  per line.
  """

  use Mix.Task

  alias Py.Runtime.Locator

  @impl true
  def run(["--all"]) do
    Locator.all() |> Enum.uniq_by(& &1.tag) |> Enum.each(&IO.puts(&1.executable))
  end

  def run([]) do
    Mix.Task.run("loadconfig")

    case Locator.locate() do
      {:ok, python} -> Enum.each(variables(python), &IO.puts/1)
      {:error, error} -> Mix.raise(Exception.message(error))
    end
  end

  def run(_arguments), do: Mix.raise("Usage: mix py.locate [--all]")

  defp variables(python) do
    for {name, value} <- [
          PY_EXECUTABLE: python.executable,
          PY_VERSION: python.version_string,
          PY_TAG: python.tag,
          PY_LIBPYTHON: python.libpython,
          PY_LIBDIR: Path.dirname(python.libpython)
        ],
        do: "#{name}=#{quoted(value)}"
  end

  defp quoted(value), do: "'" <> String.replace(value, "'", "'\\''") <> "'"
end
