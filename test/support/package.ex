defmodule Py.Package do
  @moduledoc """
  The Hex package in a directory of its own, and Mix run there as on a user's machine: without
  Hex, and without cargo unless it is asked for.
  """

  alias Py.Runtime.Locator

  @doc "Unpacks the package; answers with its directory."
  @spec unpack(Path.t()) :: Path.t()
  def unpack(folder) do
    package = Path.join(folder, "erlang_python")
    {files, _unmatched} = Mix.Tasks.Py.Package.files()

    for file <- files do
      File.mkdir_p!(Path.join(package, Path.dirname(file)))
      File.cp!(file, Path.join(package, file))
    end

    package
  end

  @doc """
  Gives an unpacked package the dependency it has with Hex, or rather what stands in for it.
  """
  @spec depend_on_stand_in(Path.t()) :: :ok
  def depend_on_stand_in(package) do
    stand_in = Path.join(Path.dirname(package), "rustler_precompiled")
    File.mkdir_p!(Path.join(stand_in, "lib"))

    File.cp!(
      "test/support/rustler_precompiled.exs",
      Path.join(stand_in, "lib/rustler_precompiled.ex")
    )

    File.write!(Path.join(stand_in, "mix.exs"), """
    defmodule RustlerPrecompiled.MixProject do
      use Mix.Project
      def project, do: [app: :rustler_precompiled, version: "0.8.0"]
      def application, do: [extra_applications: [:crypto]]
    end
    """)

    # A Mix without Hex would have no dependencies.
    mix_exs = Path.join(package, "mix.exs")
    [before, rest] = mix_exs |> File.read!() |> String.split("  defp deps do\n", parts: 2)
    dependency = ~s(  defp deps, do: [{:rustler_precompiled, path: "../rustler_precompiled"}]\n)
    File.write!(mix_exs, [before, dependency, "\n  def deps_with_hex do\n", rest])
  end

  @doc """
  Runs `mix` with arguments in a directory; answers with its output and status. `env` adds to
  the environment, and `cargo: true` leaves cargo on the `PATH`.
  """
  @spec mix(Path.t(), [String.t()], keyword) :: {String.t(), non_neg_integer}
  def mix(directory, arguments, options) do
    folder = Keyword.fetch!(options, :folder)
    {:ok, python} = Locator.locate()
    home = Path.join(folder, "mix")
    path = if options[:cargo], do: System.get_env("PATH"), else: path_without_cargo(folder)

    env = [
      {"ERLANG_PYTHON", python.executable},
      {"ERLANG_PYTHON_BUILD", nil},
      {"ERLANG_PYTHON_PRECOMPILED_URL", nil},
      {"CARGO_TARGET_DIR", nil},
      {"MIX_ARCHIVES", nil},
      {"MIX_ENV", nil},
      {"MIX_HOME", home},
      {"PATH", path},
      {"RUSTLER_PRECOMPILED_GLOBAL_CACHE_PATH", Path.join(folder, "cache")}
    ]

    env = env ++ Keyword.get(options, :env, [])
    System.cmd("mix", arguments, cd: directory, env: env, stderr_to_stdout: true)
  end

  # A directory that has more than cargo in it is replaced by links to all the rest.
  defp path_without_cargo(folder) do
    System.get_env("PATH")
    |> String.split(":", trim: true)
    |> Enum.with_index()
    |> Enum.map_join(":", fn {directory, index} ->
      if File.exists?(Path.join(directory, "cargo")),
        do: links(directory, Path.join([folder, "path", "#{index}"])),
        else: directory
    end)
  end

  defp links(directory, links) do
    File.mkdir_p!(links)

    for name <- File.ls!(directory), name != "cargo" do
      File.ln_s(Path.join(directory, name), Path.join(links, name))
    end

    links
  end
end
