defmodule Mix.Tasks.Compile.PyNative do
  @shortdoc "Provides the native code for the Python in use"

  @moduledoc """
  Provides the native code for the Python in use: ready-made in a Hex package, built with cargo
  everywhere else.

  It runs as the last compiler of `mix compile`. The Python is the one that
  `Py.Runtime.Locator` finds, so `ERLANG_PYTHON=/path/to/python3 mix compile` builds for another;
  what was built for the others stays. The results are

    * `priv/native/py_nif-<tag>.so`, one per Python version (`cp312`, `cp313t`)
    * `priv/native/py_loader.so`
    * `priv/python`, a copy of the Python package

  Nothing runs when no source has changed since the last build. `--force` asks cargo anyway,
  `mix clean` removes the results and leaves cargo's own cache.

  ## Ready-made libraries

  The Hex package knows the checksums of the libraries that were published with it, one for each
  target triple and Python, and fetches the right one through `rustler_precompiled`. Cargo
  builds instead when there is none for this machine, when fetching it fails, and when asked to:

      ERLANG_PYTHON_BUILD=1 mix deps.compile erlang_python --force

  or, for good, `config :rustler_precompiled, force_build: [erlang_python: true]`. A mirror of
  the published files is named by the environment variable `ERLANG_PYTHON_PRECOMPILED_URL`; the
  variables of `rustler_precompiled` itself, for its cache and for proxies, hold as well.
  """

  use Mix.Task.Compiler

  alias Py.Native.{Cargo, Precompiled}
  alias Py.Runtime.Locator

  @recursive true
  @products "priv/native"
  @package "python"
  @package_copy "priv/python"

  @impl true
  def run(args) do
    copied = copy_package()
    # Mix links priv into _build before it compiles, when there may not be a priv yet.
    Mix.Project.build_structure()

    with {:ok, built} <- build(args) do
      {if(copied or built, do: :ok, else: :noop), []}
    end
  end

  @impl true
  def clean do
    File.rm_rf!(@products)
    File.rm_rf!(@package_copy)
    Enum.each(Path.wildcard(note("*")), &File.rm!/1)
  end

  @doc "Whether the native code for a Python is there and as new as its sources."
  @spec up_to_date?(Locator.t()) :: boolean
  def up_to_date?(python) do
    # In a project that depends on this one, native/ is something else.
    Mix.Project.config()[:app] != :erlang_python or not Cargo.sources?() or current?(python)
  end

  defp build(args) do
    if Cargo.sources?() do
      case Locator.locate() do
        {:ok, python} -> build(python, args)
        {:error, error} -> fail(Exception.message(error))
      end
    else
      {:ok, false}
    end
  end

  defp build(python, args) do
    published = Precompiled.fingerprint(python.tag)
    compile_package(python)

    cond do
      "--force" not in args and current?(python) -> {:ok, false}
      published -> fetch(python, published)
      true -> cargo(python)
    end
  end

  # Every interpreter imports the package when it starts, and where priv is read-only, or Python
  # told not to write, each would compile it anew: that takes longer than all the rest. The
  # compiled files go by the hash of their source, since copying a release changes its time.
  defp compile_package(python) do
    suffix = python.version |> Tuple.to_list() |> Enum.take(2) |> Enum.join()
    done = Path.wildcard("#{@package_copy}/**/__pycache__/*.cpython-#{suffix}*.pyc")
    sources = Path.wildcard("#{@package_copy}/**/*.py")

    if length(done) < length(sources) do
      args = ~w(-I -m compileall -q -f --invalidation-mode checked-hash) ++ [@package_copy]
      # Without the compiled files everything works, only slower.
      System.cmd(python.executable, args, stderr_to_stdout: true)
    end
  end

  # What the libraries were last made from is noted in cargo's target directory: one note per
  # Python, shared by all Mix environments, and gone with the cache it describes.
  defp current?(python) do
    case File.read(note(python.tag)) do
      {:ok, made_from} ->
        made_from in [Cargo.fingerprint(), Precompiled.fingerprint(python.tag)] and
          Enum.all?(products(python), fn {_crate, product} -> File.exists?(product) end)

      {:error, _} ->
        false
    end
  end

  defp fetch(python, published) do
    Mix.shell().info("Fetching the native code for Python #{python.version_string}")

    case Precompiled.fetch(python.tag) do
      {:ok, libraries} ->
        install(python, libraries, published)
        # Unpacked into priv/native under a longer name, they have no use there.
        Enum.each(libraries, fn {_crate, library} -> File.rm!(library) end)
        {:ok, true}

      {:error, reason} ->
        reason = "The ready-made native code cannot be used: #{String.trim(reason)}"
        Mix.shell().error(reason)
        cargo(python, reason <> "\n\n")
    end
  end

  defp cargo(python, before \\ "") do
    Mix.shell().info("Building the native code for Python #{python.version_string}")
    sources = Cargo.fingerprint()

    case Cargo.build(python.tag, python.executable) do
      {:ok, libraries} ->
        install(python, libraries, sources)
        {:ok, true}

      {:error, reason} ->
        fail(before <> reason)
    end
  end

  defp install(python, libraries, made_from) do
    for {crate, product} <- products(python), do: replace(Map.fetch!(libraries, crate), product)
    File.mkdir_p!(Path.dirname(note(python.tag)))
    File.write!(note(python.tag), made_from)
    Mix.Project.build_structure()
  end

  # The BEAM looks for .so on macOS too.
  defp products(python) do
    for {crate, name} <- [{"py_nif", "py_nif-#{python.tag}"}, {"py_loader", "py_loader"}],
        do: {crate, Path.join(@products, name <> ".so")}
  end

  # Cleaning calls this when the modules that are not loaded yet are gone already.
  defp note(tag), do: Path.join(["native/target", tag, "sources"])

  defp copy_package do
    wanted = package_files(@package)
    existing = package_files(@package_copy)
    for file <- existing -- wanted, do: File.rm!(Path.join(@package_copy, file))

    changed = Enum.filter(wanted, &(read(@package, &1) != read(@package_copy, &1)))
    for file <- changed, do: replace(Path.join(@package, file), Path.join(@package_copy, file))

    if changed != [] do
      for folder <- Path.wildcard("#{@package_copy}/**/__pycache__"), do: File.rm_rf!(folder)
    end

    changed != [] or existing -- wanted != []
  end

  defp package_files(directory) do
    for pattern <- ["*.py", "erlang/**"],
        path <- Path.wildcard(Path.join(directory, pattern)),
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

  defp fail(message) do
    Mix.shell().error("\n** #{message}\n")

    {:error,
     [
       %Mix.Task.Compiler.Diagnostic{
         compiler_name: "py_native",
         file: Path.expand("native/Cargo.toml"),
         position: 0,
         severity: :error,
         message: message
       }
     ]}
  end
end
