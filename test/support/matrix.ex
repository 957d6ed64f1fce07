defmodule Py.Matrix do
  @moduledoc """
  Which C extensions work in which mode of which Python: `make matrix` writes it into a guide.

  Every package is tried in every mode in a BEAM of its own, first in two contexts of that mode
  at once, then by a call that names no context while the pool has that mode.
  """

  alias Py.Child

  # Code that is true when the package does its work.
  @packages [
    {"numpy", "import numpy\nint(numpy.dot([1, 2], [3, 4])) == 11"},
    {"pandas", "import pandas\nint(pandas.DataFrame({'a': [1, 2]}).a.sum()) == 3"},
    {"scikit-learn",
     "from sklearn.linear_model import LinearRegression\n" <>
       "LinearRegression().fit([[1], [2]], [1, 2]).score([[3]] * 2, [3, 4]) < 1"},
    {"orjson", "import orjson\norjson.loads(orjson.dumps([1])) == [1]"},
    {"pydantic",
     "import pydantic\nclass Row(pydantic.BaseModel):\n    n: int\nRow(n='3').n == 3"},
    {"lxml", "from lxml import etree\netree.fromstring('<a><b/></a>')[0].tag == 'b'"},
    {"cryptography",
     "from cryptography.hazmat.primitives import hashes\n" <>
       "len(hashes.Hash(hashes.SHA256()).finalize()) == 32"}
  ]

  @results "_build/matrix"

  @doc "Installs and tries all of it with the Python in use, a virtual one, and keeps the results."
  @spec probe() :: :ok
  def probe do
    python = Py.Runtime.python()

    packages = for {package, code} <- @packages, do: {package, code, install(python, package)}

    rows =
      for %{name: mode, supported: true} <- Py.Mode.all() do
        cells = for package <- packages, do: cell(package, mode)
        IO.puts(["#{python.tag} #{mode}: ", Enum.join(cells, ", ")])
        {mode, cells}
      end

    File.mkdir_p!(@results)
    {major, minor, _patch} = python.version

    result =
      {{minor, python.free_threaded}, "#{major}.#{minor}#{if python.free_threaded, do: "t"}",
       rows}

    File.write!(Path.join(@results, python.tag), :erlang.term_to_binary(result))
  end

  # Not all exists for every Python, and nothing is compiled for this.
  defp install(python, package) do
    options = ~w(--quiet --disable-pip-version-check --only-binary :all:)
    arguments = ["-m", "pip", "install"] ++ options ++ [package]

    match?(
      {_, 0},
      System.cmd(python.executable, arguments, into: IO.stream(), stderr_to_stdout: true)
    )
  end

  defp cell({_package, _code, false}, _mode), do: "no wheel"

  defp cell({package, code, true}, mode) do
    work = {__MODULE__, :try_out, [code, mode]}

    case Child.run(work, config: [mode: mode], timeout: 120_000) do
      {:ok, {true, true}, _output} -> "works"
      {:ok, {false, true}, _output} -> "routed"
      {:ok, {_named, false}, _output} -> "refused"
      {:error, what, output} -> fail(package, mode, what, output)
    end
  end

  defp fail(package, mode, what, output) do
    IO.puts([output, "\n#{package} in the mode #{mode}: #{what}"])
    to_string(what)
  end

  @doc "Whether the code works in contexts of that mode, and without naming one. For a child."
  @spec try_out(binary, atom) :: {boolean, boolean}
  def try_out(code, mode) do
    contexts = for _ <- 1..2, do: elem({:ok, _} = Py.Context.start_link(mode: mode), 1)

    named =
      contexts
      |> Enum.map(&Task.async(fn -> Py.Context.eval(&1, code) end))
      |> Task.await_many(60_000)

    Enum.each(contexts, &Py.Context.stop/1)
    routed = Py.eval(code, %{}, timeout: 60_000)
    for {:error, error} <- named ++ [routed], do: IO.puts(Exception.message(error))
    {Enum.all?(named, &(&1 == {:ok, true})), routed == {:ok, true}}
  end

  @doc "Writes the results of all Pythons into the page, between its two comments."
  @spec write_table(Path.t()) :: :ok
  def write_table(page) do
    [before, rest] = page |> File.read!() |> String.split("<!-- packages -->\n", parts: 2)
    [_old, rest] = String.split(rest, "<!-- end of packages -->", parts: 2)

    File.write!(page, [
      before,
      "<!-- packages -->\n",
      table(),
      "<!-- end of packages -->",
      rest
    ])
  end

  defp table do
    head = ["Python", "mode" | for({package, _code} <- @packages, do: package)]
    rule = for _ <- head, do: "---"
    Enum.map([head, rule | rows()], &["| ", Enum.join(&1, " | "), " |\n"])
  end

  # Modes that come to the same are one row.
  defp rows do
    for {_order, version, modes} <- results(),
        {cells, modes} <-
          modes |> Enum.group_by(&elem(&1, 1), &elem(&1, 0)) |> Enum.sort_by(&elem(&1, 1)) do
      [version, Enum.map_join(modes, ", ", &"`#{inspect(&1)}`") | cells]
    end
  end

  defp results do
    for(
      folder <- [@results, Path.join("_build/trixie", @results)],
      file <- Path.wildcard(folder <> "/*"),
      do: file |> File.read!() |> :erlang.binary_to_term()
    )
    |> Enum.uniq_by(&elem(&1, 0))
    |> Enum.sort()
  end
end
