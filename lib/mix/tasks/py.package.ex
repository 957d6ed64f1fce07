defmodule Mix.Tasks.Py.Package do
  # Without @shortdoc, as it is of use in the project itself alone: `mix help` does not list it.
  @moduledoc """
  Copies the files of the Hex package into an empty directory.

      $ mix py.package /tmp/erlang_python

  It gives what `mix hex.build --unpack` would, and does without Hex. A pattern of the package's
  file list that no file matches is named; only the checksum files are usually missing, as they
  are made with a release.
  """

  use Mix.Task

  @impl true
  def run([directory]) do
    if match?({:ok, [_ | _]}, File.ls(directory)), do: Mix.raise("#{directory} is not empty")
    {files, unmatched} = files()
    for pattern <- unmatched, do: Mix.shell().error("No file matches #{inspect(pattern)}")
    for file <- files, do: copy(file, Path.join(directory, file))
    Mix.shell().info("#{length(files)} files in #{directory}")
  end

  def run(_arguments), do: Mix.raise("Usage: mix py.package DIRECTORY")

  @doc "The files of the package, and those patterns of its file list that match none."
  @spec files :: {[Path.t()], unmatched :: [String.t()]}
  def files do
    found = for pattern <- Mix.Project.config()[:package][:files], do: {pattern, expand(pattern)}

    {found |> Enum.flat_map(&elem(&1, 1)) |> Enum.uniq() |> Enum.sort(),
     for({pattern, []} <- found, do: pattern)}
  end

  # As Hex does it: a directory stands for all that is in it.
  defp expand(pattern) do
    for path <- Path.wildcard(pattern, match_dot: true),
        file <-
          if(File.dir?(path), do: Path.wildcard(path <> "/**", match_dot: true), else: [path]),
        File.regular?(file),
        do: file
  end

  defp copy(file, destination) do
    File.mkdir_p!(Path.dirname(destination))
    File.cp!(file, destination)
  end
end
