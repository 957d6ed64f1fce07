defmodule Py.Case.Venvs do
  @moduledoc """
  Virtual environments for the tests: real ones, made by uv, and what may be put into them by hand.
  """

  @doc "Puts uv on the `PATH` of this BEAM, from the tests' own environment."
  @spec provide_uv() :: :ok
  def provide_uv do
    folder = Path.dirname(Py.Case.Packages.program("uv"))
    path = System.get_env("PATH")
    unless folder in String.split(path, ":"), do: System.put_env("PATH", folder <> ":" <> path)
    :ok
  end

  @doc "An environment with nothing in it but these modules, given as names and sources."
  @spec make(Path.t(), keyword) :: Path.t()
  def make(folder, modules \\ []) do
    provide_uv()
    python = Py.Runtime.python().executable
    arguments = ["venv", "--quiet", "--no-project", "--python", python, folder]
    {_output, 0} = System.cmd("uv", arguments, stderr_to_stdout: true)

    for {name, source} <- modules,
        do: File.write!(Path.join(packages(folder), "#{name}.py"), source)

    folder
  end

  @doc "Where an environment has its packages."
  @spec packages(Path.t()) :: Path.t()
  def packages(folder), do: hd(Path.wildcard(Path.join(folder, "lib/python3*/site-packages")))

  @doc "What every context's interpreter is to have again when an environment is deactivated."
  @spec place() :: String.t()
  def place, do: "import sys, site\n[list(sys.path), sys.prefix, sys.exec_prefix, site.PREFIXES]"
end
