defmodule Py.Runtime.Locator.Search do
  @moduledoc false
  # Lists the interpreters there may be on this machine without running any of them. A
  # candidate's name tells its version well enough to try the newest first, so that finding
  # the default Python usually costs one process.

  @type candidate :: %{path: Path.t(), source: :uv | :pyenv | :built | :path, hint: version | nil}
  @type version :: %{numbers: [non_neg_integer], free_threaded: boolean}

  @minors 14..9//-1

  @doc "Reads `3.13`, `3.13.0` or `3.13t`."
  @spec parse_version(String.t()) :: {:ok, version} | :error
  def parse_version(text), do: text |> String.trim() |> parse(version_pattern())

  @doc "Whether an interpreter is of the version asked for."
  @spec match?(version, Py.Runtime.Locator.t()) :: boolean
  def match?(wanted, python) do
    may_match?(wanted, %{
      numbers: Tuple.to_list(python.version),
      free_threaded: python.free_threaded
    })
  end

  @doc """
  Every candidate, the most promising first. Lazy: uv's program runs only when the candidates
  before it were of no use.
  """
  @spec candidates(%{optional(String.t()) => String.t()}, version | nil) :: Enumerable.t()
  def candidates(env, wanted \\ nil) do
    {known, unknown} =
      Enum.split_with(uv(env) ++ pyenv(env) ++ built(env) ++ path(env), & &1.hint)

    known
    |> Enum.filter(&(supported?(&1.hint) and (wanted == nil or may_match?(wanted, &1.hint))))
    |> Enum.sort_by(&{not &1.hint.free_threaded, &1.hint.numbers}, :desc)
    |> Stream.concat(Stream.flat_map([:find], fn :find -> uv_find(env, wanted) end))
    |> Stream.concat(unknown)
  end

  @doc "The path of a command, looked up in `PATH`."
  @spec on_path(String.t(), map) :: Path.t() | nil
  def on_path(name, env) do
    env |> path_directories() |> Enum.map(&Path.join(&1, name)) |> Enum.find(&executable?/1)
  end

  @doc "A sentence that says where was looked."
  @spec places(map) :: String.t()
  def places(env) do
    "Looked in #{uv_root(env)} (uv), #{pyenv_root(env)}/versions (pyenv), " <>
      "#{built_root(env)} (make pythons) and on the PATH."
  end

  # A missing last number stands for any: 3.13 asks for every 3.13.x, and `python3.13`
  # on the PATH may be any of them.
  defp may_match?(wanted, version) do
    wanted.free_threaded == version.free_threaded and
      wanted.numbers |> Enum.zip(version.numbers) |> Enum.all?(fn {a, b} -> a == b end)
  end

  defp supported?(%{numbers: [major, minor | _]}) do
    {oldest, newest} = Py.Runtime.Locator.supported()
    {major, minor} >= oldest and {major, minor} <= newest
  end

  defp uv(env) do
    for directory <- list(uv_root(env)),
        {:ok, hint} <- [parse(directory, uv_pattern())],
        path = Path.join([uv_root(env), directory, "bin", "python3"]),
        executable?(path),
        do: %{path: path, source: :uv, hint: hint}
  end

  defp uv_find(env, wanted) do
    with program when is_binary(program) <- on_path("uv", env),
         {output, 0} <- run(program, ["python", "find" | uv_version(wanted)]),
         path = String.trim(output),
         true <- executable?(path) do
      [%{path: path, source: :uv, hint: nil}]
    else
      _ -> []
    end
  end

  # Looking for a Python must never start to download one.
  defp run(program, arguments) do
    System.cmd(program, arguments, stderr_to_stdout: true, env: [{"UV_PYTHON_DOWNLOADS", "never"}])
  rescue
    ErlangError -> :error
  end

  defp uv_version(nil), do: []

  defp uv_version(%{numbers: numbers, free_threaded: free_threaded}) do
    [Enum.join(numbers, ".") <> if(free_threaded, do: "t", else: "")]
  end

  defp pyenv(env), do: versions_in(Path.join(pyenv_root(env), "versions"), :pyenv)

  # Those that scripts/pythons.sh has built, in the layout of pyenv.
  defp built(env), do: versions_in(built_root(env), :built)

  defp versions_in(root, source) do
    for directory <- list(root),
        {:ok, hint} <- [parse(directory, version_pattern())],
        path = Path.join([root, directory, "bin", "python3"]),
        executable?(path),
        do: %{path: path, source: source, hint: hint}
  end

  # pyenv's shims are left out: they stand for interpreters listed above, and refuse to run
  # unless their version is the one selected.
  defp path(env) do
    shims = Path.join(pyenv_root(env), "shims")

    for directory <- path_directories(env),
        directory != shims,
        {name, hint} <- names(),
        path = Path.join(directory, name),
        executable?(path),
        do: %{path: path, source: :path, hint: hint}
  end

  defp names do
    versions =
      for minor <- @minors, {suffix, free_threaded} <- [{"", false}, {"t", true}] do
        {"python3.#{minor}#{suffix}", %{numbers: [3, minor], free_threaded: free_threaded}}
      end

    versions ++ [{"python3", nil}, {"python", nil}]
  end

  defp parse(text, pattern) do
    case Regex.run(pattern, text) do
      [_, major, minor | rest] ->
        patch = for digits <- Enum.take(rest, 1), digits != "", do: digits
        numbers = Enum.map([major, minor | patch], &String.to_integer/1)
        {:ok, %{numbers: numbers, free_threaded: Enum.at(rest, 1, "") != ""}}

      nil ->
        :error
    end
  end

  # Functions, because a compiled regular expression cannot be kept in a module since OTP 28.
  defp version_pattern, do: ~r/^(\d+)\.(\d+)(?:\.(\d+))?(t)?$/
  defp uv_pattern, do: ~r/^cpython-(\d+)\.(\d+)\.(\d+)(\+freethreaded)?-/

  defp pyenv_root(env), do: env["PYENV_ROOT"] || Path.join(home(env), ".pyenv")

  defp uv_root(env) do
    data = env["XDG_DATA_HOME"] || Path.join(home(env), ".local/share")
    env["UV_PYTHON_INSTALL_DIR"] || Path.join(data, "uv/python")
  end

  defp built_root(env) do
    caches = env["XDG_CACHE_HOME"] || Path.join(home(env), ".cache")
    Path.join(env["ERLANG_PYTHON_CACHE"] || Path.join(caches, "erlang_python"), "pythons")
  end

  defp home(env), do: env["HOME"] || "/"

  defp path_directories(env) do
    (env["PATH"] || "") |> String.split(":", trim: true) |> Enum.uniq()
  end

  defp list(directory) do
    case File.ls(directory) do
      {:ok, names} -> Enum.sort(names)
      {:error, _} -> []
    end
  end

  defp executable?(path) do
    case File.stat(path) do
      {:ok, %{type: :regular, mode: mode}} -> Bitwise.band(mode, 0o111) != 0
      _ -> false
    end
  end
end
