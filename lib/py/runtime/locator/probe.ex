defmodule Py.Runtime.Locator.Probe do
  @moduledoc false
  # Asks one interpreter about itself. Only Python knows where its library is: sysconfig on
  # most systems, the place it was moved to for relocatable builds, the framework on macOS.

  alias Py.Runtime.Locator
  alias Py.StartError

  # Every line carries a mark, because sitecustomize and .pth files may print as well.
  @mark "erlang_python:"

  # Written for any Python 3, so that one too old can still say which version it is. The
  # directory of the installation comes before the one noted at build time, which may be that
  # of the machine it was built on.
  @script """
  import os, sys, sysconfig
  say = lambda key, value: sys.stdout.write("#{@mark}%s=%s\\n" % (key, value))
  var = lambda name: str(sysconfig.get_config_var(name) or "")
  base = getattr(sys, "base_prefix", sys.prefix)
  flags = getattr(sys, "abiflags", "")
  stem = "libpython%d.%d%s" % (sys.version_info[0], sys.version_info[1], flags)
  names = [var("INSTSONAME"), var("LDLIBRARY"), stem + ".so.1.0", stem + ".so", stem + ".dylib"]
  names = [name for name in names if ".so" in name or name.endswith(".dylib")]
  folders = [os.path.join(base, "lib"), var("LIBDIR"), os.path.join(base, "lib64")]
  folders += [os.path.join(folder, var("MULTIARCH")) for folder in folders if folder]
  paths = [os.path.join(folder, name) for folder in folders if folder for name in names]
  if var("PYTHONFRAMEWORK"):
      paths.insert(0, os.path.join(base, var("PYTHONFRAMEWORK")))
      paths.insert(1, os.path.join(var("PYTHONFRAMEWORKPREFIX"), var("LDLIBRARY")))
  found = [os.path.realpath(path) for path in paths if os.path.isfile(path)]
  say("implementation", sys.implementation.name)
  say("version", "%d.%d.%d" % sys.version_info[:3])
  say("version_string", sys.version.split()[0])
  say("abiflags", flags)
  say("free_threaded", var("Py_GIL_DISABLED"))
  say("executable", sys.executable)
  say("prefix", sys.prefix)
  say("base_prefix", base)
  say("libpython", found[0] if found else "")
  """

  @doc "The facts of the interpreter at `path`, or why it cannot be used."
  @spec ask(Path.t(), Locator.source()) :: {:ok, Locator.t()} | {:error, StartError.t()}
  def ask(path, source) do
    with {:ok, output} <- run(path),
         {:ok, facts} <- parse(output, path),
         :ok <- check_implementation(facts, path),
         {:ok, version} <- check_version(facts, path),
         :ok <- check_library(facts, path) do
      {:ok, build(facts, version, source)}
    end
  end

  # -I keeps the user's site directory and PYTHON* variables out of the answer.
  defp run(path) do
    arguments = ["-X", "utf8", "-I", "-c", @script]
    env = [{"PYTHONHOME", nil}, {"__PYVENV_LAUNCHER__", nil}]

    case System.cmd(path, arguments, stderr_to_stdout: true, env: env) do
      {output, 0} -> {:ok, output}
      {output, status} -> refused(path, "ended with status #{status}", output)
    end
  rescue
    error in ErlangError -> failed(path, error.original)
  end

  defp failed(path, :enoent), do: error(:python_not_found, "#{path} does not exist.")
  defp failed(path, :eacces), do: error(:python_not_found, "#{path} is not executable.")

  defp failed(path, reason),
    do: error(:python_not_found, "#{path} does not run: #{inspect(reason)}.")

  defp refused(path, how, output) do
    printed = output |> String.slice(0, 1000) |> String.trim()
    said = if printed == "", do: ".", else: " and printed:\n\n" <> printed
    error(:python_not_found, "#{path} #{how}#{said}")
  end

  defp parse(output, path) do
    facts =
      for @mark <> line <- String.split(output, ["\r\n", "\n"]),
          [key, value] <- [String.split(line, "=", parts: 2)],
          into: %{},
          do: {key, value}

    if Map.has_key?(facts, "libpython"),
      do: {:ok, facts},
      else: refused(path, "did not answer as Python does", output)
  end

  defp check_implementation(%{"implementation" => "cpython"}, _path), do: :ok

  defp check_implementation(%{"implementation" => name}, path) do
    error(:unsupported_implementation, "#{path} is #{name}.")
  end

  defp check_version(%{"version" => text, "version_string" => shown}, path) do
    [major, minor, patch] = text |> String.split(".") |> Enum.map(&String.to_integer/1)
    {oldest, newest} = Locator.supported()

    if {major, minor} >= oldest and {major, minor} <= newest,
      do: {:ok, {major, minor, patch}},
      else: error(:unsupported_version, "#{path} is Python #{shown}.")
  end

  defp check_library(%{"libpython" => ""} = facts, path) do
    error(
      :no_shared_library,
      "#{path} is Python #{facts["version_string"]}, installed in #{facts["base_prefix"]}."
    )
  end

  defp check_library(_facts, _path), do: :ok

  defp build(facts, {major, minor, _} = version, source) do
    %Locator{
      executable: facts["executable"],
      version: version,
      version_string: facts["version_string"],
      free_threaded: facts["free_threaded"] not in ["", "0"],
      prefix: facts["prefix"],
      base_prefix: facts["base_prefix"],
      libpython: facts["libpython"],
      tag: "cp#{major}#{minor}#{facts["abiflags"]}",
      source: source
    }
  end

  defp error(reason, details), do: {:error, %StartError{reason: reason, details: details}}
end
