# The tests know how to get packages, and have most of these already.
if not Code.ensure_loaded?(Py.Case.Packages),
  do: Code.require_file("../../test/support/packages.ex", __DIR__)

defmodule Bench.Packages do
  @moduledoc false

  # Packages from PyPI that something is compared with, in the environment of the tests' packages.

  @doc """
  The folders in which Python finds that package.

  There are none, and it is said why, if it cannot be had. BENCH_PACKAGES names a folder that has
  all of them, for machines that reach no registry.
  """
  def folders(package), do: package |> named(System.get_env("BENCH_PACKAGES")) |> told(package)

  defp named(package, nil) do
    {_python, folder, installed} = Py.Case.Packages.fetch([package])
    for _package <- installed, do: folder
  rescue
    error -> error |> Exception.message() |> String.split("\n") |> hd() |> Bench.puts() |> none()
  end

  defp named(package, folder),
    do: for(folder <- [Path.expand(folder)], File.dir?(Path.join(folder, package)), do: folder)

  defp none(:ok), do: []

  # More than one line, as a single one would be taken for the heading of the table below.
  defp told([], package) do
    Bench.puts("#{package} is missing below.")
    "BENCH_PACKAGES may name a folder that has it.\n" |> Bench.puts() |> none()
  end

  defp told(folders, _package), do: folders
end
