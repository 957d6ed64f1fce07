defmodule Mix.Tasks.Py.Precompiled do
  # Without @shortdoc, as it is of use in the project itself alone: `mix help` does not list it.
  @moduledoc """
  Builds the archives that a release offers, and their checksum files.

      $ mix py.precompiled
      $ mix py.precompiled --python 3.12 --python 3.13t
      $ mix py.precompiled --python 3.12 --target x86_64-unknown-linux-musl
      $ mix py.precompiled --checksums

  Without options there is an archive for every Python found on this machine, one per version.
  They are put into `_build/precompiled`, with the names that `rustler_precompiled` asks for:

    * `libpy_nif-v<version>-nif-<nif>-<target>--<tag>.so.tar.gz`, one per Python
    * `libpy_loader-v<version>-nif-<nif>-<target>.so.tar.gz`
    * `checksum-Elixir.Py.Native.exs` and `checksum-Elixir.Py.Runtime.Loader.exs`, for all the
      archives of this version in the directory

  The same library gives the same archive, byte for byte.

  ## Options

    * `--python` - the versions to build for; may be given several times
    * `--target` - the triple to cross-compile for. No Python of that target is needed, but a
      linker and Rust's standard library for it are
    * `--output` - the directory, instead of `_build/precompiled`
    * `--checksums` - build nothing, write the checksum files of the archives in the directory
  """

  use Mix.Task

  alias Py.Native.{Cargo, Precompiled}
  alias Py.Runtime.Locator

  @switches [python: :keep, target: :string, output: :string, checksums: :boolean]
  @crates ["py_nif", "py_loader"]

  @impl true
  def run(arguments) do
    {options, []} = OptionParser.parse!(arguments, strict: @switches)
    output = Keyword.get(options, :output, "_build/precompiled")
    File.mkdir_p!(output)

    unless options[:checksums], do: options |> builds() |> Enum.each(&build(&1, output))
    Enum.each(@crates, &write_checksums(&1, output))
  rescue
    error in OptionParser.ParseError -> Mix.raise(Exception.message(error))
  end

  @doc """
  Packs a library under the name it is to have inside the archive; answers with the archive's
  path.
  """
  @spec pack(library :: Path.t(), name :: String.t(), output :: Path.t()) :: Path.t()
  def pack(library, name, output) do
    archive = Path.join(output, name <> ".tar.gz")
    tar = Path.join(output, name <> ".tar")

    # Nothing about the machine, the user or the moment goes in. Erlang's gzip header has no
    # time and no name either.
    {:ok, handle} = :erl_tar.open(String.to_charlist(tar), [:write])
    entry = [atime: 0, mtime: 0, ctime: 0, uid: 0, gid: 0]
    :ok = :erl_tar.add(handle, File.read!(library), String.to_charlist(name), entry)
    :ok = :erl_tar.close(handle)

    File.write!(archive, :zlib.gzip(File.read!(tar)))
    File.rm!(tar)
    archive
  end

  @doc "Writes the checksum file of a crate's archives in a directory."
  @spec write_checksums(crate :: String.t(), directory :: Path.t()) :: :ok
  def write_checksums(crate, directory) do
    lines =
      for archive <- archives(crate, directory) do
        ~s(  "#{Path.basename(archive)}" => "sha256:#{sha256(archive)}",\n)
      end

    File.write!(Path.join(directory, Precompiled.checksum_file(crate)), ["%{\n", lines, "}\n"])
  end

  # Archives of other versions may lie there too.
  defp archives(crate, directory) do
    version = Mix.Project.config()[:version]
    directory |> Path.join("lib#{crate}-v#{version}-nif-*.tar.gz") |> Path.wildcard()
  end

  # One keyword list per library to build, as Cargo.publish/2 takes it.
  defp builds(options) do
    case {options[:target], Keyword.get_values(options, :python)} do
      {nil, []} -> Locator.all() |> Enum.uniq_by(& &1.tag) |> Enum.map(&native/1)
      {nil, versions} -> Enum.map(versions, &(&1 |> locate!() |> native()))
      {_target, []} -> Mix.raise("--target needs at least one --python")
      {target, versions} -> Enum.map(versions, &cross(&1, target))
    end
  end

  defp native(python), do: [tag: python.tag, executable: python.executable]

  defp cross(version, target) do
    if target not in Precompiled.targets() do
      Mix.raise("--target is one of #{Enum.join(Precompiled.targets(), ", ")}")
    end

    if version not in Precompiled.pythons() do
      Mix.raise("--python is one of #{Enum.join(Precompiled.pythons(), ", ")}")
    end

    [tag: Precompiled.tag(version), version: version, target: target]
  end

  defp locate!(version) do
    case Locator.locate(python: version) do
      {:ok, python} -> python
      {:error, error} -> Mix.raise(Exception.message(error))
    end
  end

  defp build([{:tag, tag} | how], output) do
    target = how[:target] || host()
    Mix.shell().info("Building for #{tag} on #{target}")

    case Cargo.publish(tag, how) do
      {:ok, libraries} ->
        for crate <- @crates do
          name = Precompiled.file_name(crate, target, tag)
          archive = pack(Map.fetch!(libraries, crate), name, output)
          Mix.shell().info("  #{archive}, #{div(File.stat!(archive).size, 1024)} KiB")
        end

      {:error, reason} ->
        Mix.raise(reason)
    end
  end

  # A distribution's own Rust puts its name where the others have "unknown".
  defp host do
    {facts, 0} = System.cmd("rustc", ["-vV"])
    [_, triple] = Regex.run(~r/^host: (.*)$/m, facts)
    String.replace(triple, ~r/-[a-z]+-linux-/, "-unknown-linux-")
  end

  # Nothing but this task needs :crypto, so the application does not depend on it, and from
  # Elixir 1.15 on Mix hides what an application does not depend on.
  defp sha256(file) do
    if function_exported?(Mix, :ensure_application!, 1) do
      apply(Mix, :ensure_application!, [:crypto])
    end

    apply(:crypto, :hash, [:sha256, File.read!(file)]) |> Base.encode16(case: :lower)
  end
end
