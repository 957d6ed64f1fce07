defmodule Py.Case.Packages do
  @moduledoc """
  Real packages from PyPI, in a virtual environment of the tests' own, one for each Python.

  It is made when it is missing, from wheels only, and kept with the other tools below `_build`.
  """

  # A package, and code that shows that its extension works.
  @packages [
    {"numpy", "import numpy\nint(numpy.dot([1, 2], [3, 4]))", 11},
    {"orjson", "import orjson\norjson.dumps({'a': [1, None]})", ~s({"a":[1,null]})},
    {"lxml", "from lxml import etree\netree.fromstring('<a><b/></a>')[0].tag", "b"},
    {"pydantic",
     "import pydantic\nclass Row(pydantic.BaseModel):\n    n: int\nRow.model_validate({'n': '3'}).n",
     3}
  ]

  @doc "The environment's Python with the packages it has, as rows of name, code and value."
  def fetch do
    {python, folder} = environment()
    {python, Enum.filter(@packages, &installed?(python, folder, elem(&1, 0)))}
  end

  @doc "The path of a program that a package has, such as uv."
  def program(package) do
    {python, folder} = environment()
    true = installed?(python, folder, package)
    Path.join([folder, "bin", package])
  end

  @doc "The environment's Python, where it has its packages, and those of `names` that it has."
  def fetch(names) do
    {python, folder} = environment()
    [packages] = Path.wildcard(Path.join(folder, "lib/python*/site-packages"))
    {python, packages, Enum.filter(names, &installed?(python, folder, &1))}
  end

  defp environment do
    folder = Path.expand("_build/tools/packages-#{Py.Runtime.python().tag}")
    python = Path.join(folder, "bin/python")

    alone(fn ->
      unless File.exists?(python),
        do: {_output, 0} = run(Py.Runtime.python().executable, ["-m", "venv", folder])
    end)

    {python, folder}
  end

  defp installed?(python, folder, package) do
    mark = Path.join(folder, package <> ".installed")

    alone(fn ->
      File.exists?(mark) or (install?(python, package) and File.write!(mark, "") == :ok)
    end)
  end

  # Test files are loaded side by side, and several ask for packages then.
  defp alone(work), do: :global.trans({__MODULE__, self()}, work, [node()])

  # What has no wheel for this Python, or no way to a registry, is left out and said so. All else
  # is a failure.
  defp install?(python, package) do
    options = ~w(--quiet --disable-pip-version-check --only-binary :all: --retries 1)

    case run(python, ["-m", "pip", "install"] ++ options ++ [package]) do
      {_output, 0} ->
        true

      {output, _status} ->
        unless output =~ ~r/No matching distribution|ResolutionImpossible|connection/i,
          do: raise(output)

        reason = output |> String.trim() |> String.split("\n") |> List.last()
        IO.puts("Going without #{package}, which cannot be installed: #{reason}")
        false
    end
  end

  defp run(program, arguments), do: System.cmd(program, arguments, stderr_to_stdout: true)

  @doc """
  Starts the library in that mode and makes the calls, all of them at once and then again.
  Gives their answers and the registrations that came of it. To be run in a `Py.Child`.
  """
  def try_out(mode, calls) do
    :ok = Application.stop(:erlang_python)
    :ok = Application.put_env(:erlang_python, :mode, mode)
    :ok = Application.start(:erlang_python)

    answers = for _round <- 1..2, do: at_once(calls)
    {answers, Py.Router.list_pool_registrations()}
  end

  defp at_once(calls) do
    calls
    |> Enum.map(fn {module, function, args} -> Task.async(module, function, args) end)
    |> Task.await_many(60_000)
  end

  @doc "One process that executes the code of each row, then evaluates its last line."
  def in_namespaces(rows) do
    for {_package, code, _value} <- rows do
      {last, body} = code |> String.split("\n") |> List.pop_at(-1)
      own = fn -> with :ok <- Py.exec(Enum.join(body, "\n")), do: Py.eval(last) end
      Task.await(Task.async(own), 60_000)
    end
  end
end
