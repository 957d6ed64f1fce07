defmodule Mix.Tasks.Compile.PyNative do
  @shortdoc "Builds the native code for the Python in use"

  @moduledoc """
  Builds the native code of a checkout with cargo, for the Python in use.

  It runs as the last compiler of `mix compile`. The Python is the one that
  `Py.Runtime.Locator` finds, so `ERLANG_PYTHON=/path/to/python3 mix compile` builds for another;
  what was built for the others stays. The results are

    * `priv/native/py_nif-<tag>.so`, one per Python version (`cp312`, `cp313t`)
    * `priv/native/py_loader.so`
    * `priv/python/erlang`, a copy of the Python package

  Nothing runs when no source has changed since the last build. `--force` asks cargo anyway,
  `mix clean` removes the results and leaves cargo's own cache.
  """

  use Mix.Task.Compiler

  alias Py.Runtime.Locator

  @recursive true
  @workspace "native"
  @products "priv/native"
  @package "python/erlang"
  @package_copy "priv/python/erlang"

  @impl true
  def run(args) do
    copied = copy_package()

    with {:ok, built} <- build(args) do
      # Mix links priv into _build before it compiles, when there may not be a priv yet.
      Mix.Project.build_structure()
      {if(copied or built, do: :ok, else: :noop), []}
    end
  end

  @impl true
  def clean do
    File.rm_rf!(@products)
    File.rm_rf!(@package_copy)
    Enum.each(Path.wildcard(target("*") <> "/sources"), &File.rm!/1)
  end

  @doc "Whether the native code for a Python is there and as new as its sources."
  @spec up_to_date?(Locator.t()) :: boolean
  def up_to_date?(python) do
    # In a project that depends on this one, native/ is something else.
    Mix.Project.config()[:app] != :erlang_python or not sources?() or
      current?(python, fingerprint())
  end

  # A package from Hex may come without the sources of its native code.
  defp sources?, do: File.exists?(Path.join(@workspace, "Cargo.toml"))

  defp build(args) do
    if sources?() do
      case Locator.locate() do
        {:ok, python} -> build(python, args)
        {:error, error} -> fail(Exception.message(error))
      end
    else
      {:ok, false}
    end
  end

  defp build(python, args) do
    sources = fingerprint()

    cond do
      "--force" not in args and current?(python, sources) -> {:ok, false}
      cargo = System.find_executable("cargo") -> cargo(cargo, python, sources)
      true -> fail(no_cargo())
    end
  end

  # What cargo last built is noted in its own target directory: one note per Python, shared by
  # all Mix environments, and gone with the cache it describes.
  defp current?(python, sources) do
    File.read(note(python)) == {:ok, sources} and
      Enum.all?(products(python), fn {_built, product} -> File.exists?(product) end)
  end

  defp cargo(cargo, python, sources) do
    Mix.shell().info("Building the native code for Python #{python.version_string}")

    env = [{"CARGO_TARGET_DIR", target(python.tag)}, {"PYO3_PYTHON", python.executable}]
    arguments = ~w(build --release -p py_nif -p py_loader)

    # Cargo reports on its standard error, which is ours as well: its progress bar, colours and
    # all, reaches the terminal without a detour.
    case System.cmd(cargo, arguments, cd: @workspace, env: env) do
      {_output, 0} ->
        Enum.each(products(python), fn {built, product} -> replace(built, product) end)
        File.write!(note(python), sources)
        {:ok, true}

      {_output, status} ->
        fail("cargo ended with status #{status}; its messages are above.")
    end
  end

  defp products(python) do
    for {library, product} <- [{"py_nif", "py_nif-#{python.tag}"}, {"py_loader", "py_loader"}] do
      built = Path.join([target(python.tag), "release", "lib#{library}.#{library_extension()}"])
      {built, Path.join(@products, product <> ".so")}
    end
  end

  # The BEAM looks for .so on macOS too.
  defp library_extension do
    if match?({:unix, :darwin}, :os.type()), do: "dylib", else: "so"
  end

  defp target(tag), do: Path.expand(Path.join([@workspace, "target", tag]))
  defp note(python), do: Path.join(target(python.tag), "sources")

  defp fingerprint do
    for path <- sources(), into: "" do
      %{mtime: mtime, size: size} = File.stat!(path, time: :posix)
      "#{path} #{size} #{mtime}\n"
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

  defp copy_package do
    wanted = package_files(@package)
    existing = package_files(@package_copy)
    for file <- existing -- wanted, do: File.rm!(Path.join(@package_copy, file))

    changed = Enum.filter(wanted, &(read(@package, &1) != read(@package_copy, &1)))
    for file <- changed, do: replace(Path.join(@package, file), Path.join(@package_copy, file))

    changed != [] or existing -- wanted != []
  end

  defp package_files(directory) do
    for path <- Path.wildcard(directory <> "/**"),
        not String.contains?(path, "__pycache__") and File.regular?(path),
        do: Path.relative_to(path, directory)
  end

  defp read(directory, file), do: File.read(Path.join(directory, file))

  # Rename, never overwrite: a running VM may have the old library mapped, and would crash.
  defp replace(source, destination) do
    File.mkdir_p!(Path.dirname(destination))
    temporary = "#{destination}.#{System.pid()}"
    File.cp!(source, temporary)
    File.rename!(temporary, destination)
  end

  defp no_cargo do
    """
    cargo is needed to build the native code, and there is none on the PATH.

    Install Rust from https://rustup.rs (or with `brew install rust`). The one that Debian and
    Ubuntu package may be too old.\
    """
  end

  defp fail(message) do
    Mix.shell().error("\n** #{message}\n")

    {:error,
     [
       %Mix.Task.Compiler.Diagnostic{
         compiler_name: "py_native",
         file: Path.expand(Path.join(@workspace, "Cargo.toml")),
         position: 0,
         severity: :error,
         message: message
       }
     ]}
  end
end
