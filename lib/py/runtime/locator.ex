defmodule Py.Runtime.Locator do
  @moduledoc """
  Finds the Python to run and the facts needed to load it.

  Sources, in this order:

    1. `config :erlang_python, python: "3.13"` (a version, or the path of an interpreter or of
       the directory it is installed in)
    2. the environment variable `ERLANG_PYTHON`, with the same meaning
    3. the Python below the virtual environment in `config :erlang_python, venv:`, if that exists
    4. the active virtual environment (`VIRTUAL_ENV`)
    5. the interpreters that uv and pyenv manage, those that `make pythons` has built, and
       those on the `PATH`: the newest supported version wins, a free-threaded build only when
       there is no other

  The first four are choices somebody made. When such a choice cannot be used that is an
  error, never a reason to take another Python silently. Versions from 3.9 to 3.14 are
  supported; `3.13t` names the free-threaded build of 3.13.

  ## Example

      {:ok, python} = Py.Runtime.Locator.locate()
      {python.version, python.tag}
      #=> {{3, 13, 0}, "cp313"}

  """

  alias Py.Runtime.Locator.{Probe, Search, Venv}
  alias Py.StartError

  @oldest {3, 9}
  @newest {3, 14}

  @enforce_keys [:executable, :version, :libpython, :tag]
  defstruct [
    :executable,
    :version,
    :version_string,
    :prefix,
    :base_prefix,
    :libpython,
    :tag,
    :source,
    free_threaded: false
  ]

  @typedoc "Where an interpreter was found, or who asked for it."
  @type source ::
          {:config, String.t()}
          | {:env, String.t()}
          | {:config_venv, Path.t()}
          | {:venv, Path.t()}
          | :uv
          | :pyenv
          | :built
          | :path

  @typedoc """
  A usable interpreter.

    * `:executable` - its absolute path
    * `:version`, `:version_string` - `{3, 13, 0}` and `"3.13.0"`
    * `:free_threaded` - whether it was built without the GIL
    * `:prefix`, `:base_prefix` - as in Python's `sys`; they differ in a virtual environment
    * `:libpython` - the absolute path of its shared library
    * `:tag` - names the native code that fits it, such as `"cp313"` or `"cp313t"`
    * `:source` - where it was found
  """
  @type t :: %__MODULE__{
          executable: Path.t(),
          version: {non_neg_integer, non_neg_integer, non_neg_integer},
          version_string: String.t(),
          free_threaded: boolean,
          prefix: Path.t(),
          base_prefix: Path.t(),
          libpython: Path.t(),
          tag: String.t(),
          source: source
        }

  @doc """
  Returns the interpreter to use, or a `Py.StartError` that says what is missing.

  ## Options

    * `:python` - a version or a path, instead of the one in the application's configuration
    * `:venv` - a virtual environment, likewise
    * `:env` - a map to read environment variables from, instead of the real ones

  ## Example

      iex> {:error, error} = Py.Runtime.Locator.locate(python: "/no/such/python3")
      iex> error.reason
      :python_not_found

  """
  @spec locate(keyword) :: {:ok, t} | {:error, StartError.t()}
  def locate(opts \\ []) do
    env = Keyword.get_lazy(opts, :env, &System.get_env/0)

    python = option(opts, :python)

    cond do
      python != nil -> choose(python, {:config, python}, env)
      value = present(env["ERLANG_PYTHON"]) -> choose(value, {:env, value}, env)
      found = Venv.locate(option(opts, :venv)) -> found
      venv = present(env["VIRTUAL_ENV"]) -> Probe.ask(interpreter_in(venv), {:venv, venv})
      true -> newest(env)
    end
  end

  @doc """
  Returns every usable interpreter that uv, pyenv, `make pythons` and the `PATH` offer, newest
  first and free-threaded builds last.

  Each is asked for its facts, so this takes a few tens of milliseconds per interpreter. The
  option `:env` is that of `locate/1`.

  ## Example

      for python <- Py.Runtime.Locator.all(), do: python.version_string
      #=> ["3.13.0", "3.12.1", "3.11.7"]

  """
  @spec all(keyword) :: [t]
  def all(opts \\ []) do
    Keyword.get_lazy(opts, :env, &System.get_env/0)
    |> Search.candidates()
    |> Task.async_stream(&ask/1, timeout: :infinity)
    |> Enum.flat_map(fn
      {:ok, {:ok, python}} -> [python]
      {:ok, {:error, _}} -> []
    end)
    |> Enum.uniq_by(&{&1.libpython, &1.prefix})
    |> Enum.sort_by(&{not &1.free_threaded, &1.version}, :desc)
  end

  @doc """
  Returns the oldest and the newest supported version, both as `{major, minor}`.

      iex> Py.Runtime.Locator.supported()
      {{3, 9}, {3, 14}}

  """
  @spec supported :: {{3, 9..14}, {3, 9..14}}
  def supported, do: {@oldest, @newest}

  @doc """
  Says in words why an interpreter was chosen.

      iex> {:ok, python} = Py.Runtime.Locator.locate(python: nil, env: System.get_env())
      iex> is_binary(Py.Runtime.Locator.why(python))
      true

  """
  @spec why(t) :: String.t()
  def why(%__MODULE__{source: source}) do
    case source do
      {:config, value} -> "config :erlang_python, python: #{inspect(value)}"
      {:env, value} -> "ERLANG_PYTHON=#{value}"
      {:config_venv, path} -> "config :erlang_python, venv: #{inspect(path)}"
      {:venv, path} -> "VIRTUAL_ENV=#{path}"
      :uv -> "the newest one found, managed by uv"
      :pyenv -> "the newest one found, managed by pyenv"
      :built -> "the newest one found, built by `make pythons`"
      :path -> "the newest one found, on the PATH"
    end
  end

  defp option(opts, key),
    do: Keyword.get_lazy(opts, key, fn -> Application.get_env(:erlang_python, key) end)

  defp choose(choice, source, env) when is_binary(choice) do
    case Search.parse_version(choice) do
      {:ok, wanted} -> choose_version(wanted, choice, source, env)
      :error -> choose_path(choice, source, env)
    end
  end

  defp choose(other, _source, _env) do
    not_found("`config :erlang_python, python:` takes a string, not #{inspect(other)}.")
  end

  defp choose_version(%{numbers: [major, minor | _]}, choice, _source, _env)
       when {major, minor} < @oldest or {major, minor} > @newest do
    {:error,
     %StartError{reason: :unsupported_version, details: "Python #{choice} was asked for."}}
  end

  defp choose_version(wanted, choice, source, env) do
    candidates = Search.candidates(env, wanted)

    case first_usable(candidates, &Search.match?(wanted, &1), &(&1.hint != nil)) do
      {:ok, python} -> {:ok, %{python | source: source}}
      {:error, %StartError{} = error} -> {:error, error}
      :none -> not_found("Python #{choice} was asked for. #{Search.places(env)}")
    end
  end

  defp choose_path(choice, source, env) do
    path = Path.expand(choice)

    cond do
      not String.contains?(choice, "/") -> choose_command(choice, source, env)
      File.dir?(path) -> Probe.ask(interpreter_in(path), source)
      true -> Probe.ask(path, source)
    end
  end

  defp choose_command(name, source, env) do
    case Search.on_path(name, env) do
      nil -> not_found("There is no `#{name}` on the PATH.")
      path -> Probe.ask(path, source)
    end
  end

  defp newest(env) do
    case env |> Search.candidates() |> first_usable(fn _ -> true end, fn _ -> true end) do
      :none -> not_found(Search.places(env))
      found -> found
    end
  end

  # An interpreter that would have been right but lacks its shared library is worth reporting
  # when nothing else can be used; a shim that refuses to run is not, nor is one whose version
  # may not be the one asked for.
  defp first_usable(candidates, wanted?, report?) do
    Enum.reduce_while(candidates, :none, fn candidate, best ->
      case ask(candidate) do
        {:ok, python} ->
          if wanted?.(python), do: {:halt, {:ok, python}}, else: {:cont, best}

        {:error, %{reason: :no_shared_library}} = error ->
          {:cont, if(best == :none and report?.(candidate), do: error, else: best)}

        {:error, _} ->
          {:cont, best}
      end
    end)
  end

  defp ask(%{path: path, source: source}), do: Probe.ask(path, source)

  defp interpreter_in(directory) do
    ["bin/python3", "bin/python"]
    |> Enum.map(&Path.join(directory, &1))
    |> Enum.find(Path.join(directory, "bin/python3"), &File.exists?/1)
  end

  defp present(value) when value in [nil, ""], do: nil
  defp present(value), do: value

  defp not_found(details) do
    {:error, %StartError{reason: :python_not_found, details: details}}
  end
end
