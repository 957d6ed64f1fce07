defmodule Py.Native.Cargo do
  @moduledoc false

  # Builds the native code with cargo. Each Python has a target directory of its own, so that
  # building for one never throws away what was built for another.

  @workspace "native"
  @crates ["py_nif", "py_loader"]

  # How cargo is to build what is published: smaller, and with the same bytes wherever the
  # sources and cargo's cache happen to be. Given as configuration, the flags add to those of
  # .cargo/config.toml, which RUSTFLAGS in the environment would replace.
  @published "published"

  @type libraries :: %{String.t() => Path.t()}

  @doc "Whether the sources of the native code are here. A distribution may leave them out."
  @spec sources? :: boolean
  def sources?, do: File.exists?(Path.join(@workspace, "Cargo.toml"))

  @doc "Names, sizes and times of all the sources, as one text that differs when one of them does."
  @spec fingerprint :: String.t()
  def fingerprint do
    for path <- sources(), into: "" do
      %{mtime: mtime, size: size} = File.stat!(path, time: :posix)
      "#{path} #{size} #{mtime}\n"
    end
  end

  @doc "Builds for this machine and the interpreter given; answers with one path per crate."
  @spec build(tag :: String.t(), executable :: Path.t()) ::
          {:ok, libraries} | {:error, String.t()}
  def build(tag, executable),
    do: run(tag, [{"PYO3_PYTHON", executable}], ["--release"], "release")

  @doc """
  Builds what is published.

  With `target:`, a target triple, no interpreter is asked: PyO3 then goes by `version:` alone.
  """
  @spec publish(tag :: String.t(), keyword) :: {:ok, libraries} | {:error, String.t()}
  def publish(tag, options) do
    {env, target} =
      case options[:target] do
        nil -> {[{"PYO3_PYTHON", Keyword.fetch!(options, :executable)}], []}
        target -> {[{"PYO3_CROSS_PYTHON_VERSION", Keyword.fetch!(options, :version)}], [target]}
      end

    arguments = Enum.flat_map(target, &["--target", &1]) ++ published_profile()
    run(tag, env, arguments, Path.join(target ++ [@published]))
  end

  defp published_profile do
    settings = [
      ~s(profile.#{@published}.inherits="release"),
      ~s(profile.#{@published}.strip="debuginfo"),
      ~s(target."cfg\(all\(\)\)".rustflags=#{inspect(remapped_paths())})
    ]

    ["--profile", @published | Enum.flat_map(settings, &["--config", &1])]
  end

  defp remapped_paths do
    cargo_home = System.get_env("CARGO_HOME") || Path.join(System.user_home!(), ".cargo")

    for {from, to} <- [{cargo_home, "cargo"}, {Path.expand(@workspace), @workspace}],
        do: "--remap-path-prefix=#{from}=#{to}"
  end

  defp run(tag, env, arguments, output) do
    case System.find_executable("cargo") do
      nil -> {:error, no_cargo()}
      cargo -> run(cargo, tag, env, arguments, output)
    end
  end

  # Cargo reports on its standard error, which is ours as well: its progress bar, colours and
  # all, reaches the terminal without a detour.
  defp run(cargo, tag, env, arguments, output) do
    env = [{"CARGO_TARGET_DIR", directory(tag)} | env]
    arguments = ["build" | Enum.flat_map(@crates, &["-p", &1])] ++ arguments

    case System.cmd(cargo, arguments, cd: @workspace, env: env) do
      {_output, 0} -> {:ok, libraries(Path.join(directory(tag), output))}
      {_output, status} -> {:error, "cargo ended with status #{status}; its messages are above."}
    end
  end

  defp directory(tag), do: Path.expand(Path.join([@workspace, "target", tag]))

  defp libraries(output) do
    Map.new(@crates, &{&1, Path.join(output, "lib#{&1}.#{extension(output)}")})
  end

  defp extension(output) do
    cond do
      output =~ "-apple-" -> "dylib"
      output =~ "-linux-" -> "so"
      match?({:unix, :darwin}, :os.type()) -> "dylib"
      true -> "so"
    end
  end

  # The crates are named one by one, as looking through cargo's target directory takes longer
  # than all the rest.
  defp sources do
    [
      "Cargo.{toml,lock}",
      ".cargo/config.toml",
      "py_*/{Cargo.toml,build.rs}",
      "py_*/src/**/*.rs"
    ]
    |> Enum.flat_map(&Path.wildcard(Path.join(@workspace, &1), match_dot: true))
    |> Enum.sort()
  end

  defp no_cargo do
    """
    cargo is needed to build the native code, and there is none on the PATH.

    Install Rust from https://rustup.rs (or with `brew install rust`). The one that Debian and
    Ubuntu package may be too old.\
    """
  end
end
