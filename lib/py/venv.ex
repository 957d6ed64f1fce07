defmodule Py.Venv do
  @moduledoc """
  Virtual environments: the packages that Python code can import.

  `ensure/3` makes one and installs into it whatever is missing; `activate/1` lets all contexts
  see the packages, those that are open and those to come. For an application that is one line of
  configuration:

      config :erlang_python, venv: {"/var/lib/my_app/venv", "requirements.txt"}

  Activating is not what `bin/activate` does for a shell: no environment variable changes. Every
  interpreter gets the `sys.path`, the `sys.prefix` and the effects of `.pth` files that it would
  have had if it had been started in the environment. The packages of the Python below are hidden,
  unless the environment was made with `--system-site-packages`.

  Errors are `Py.StartError`s. The guide "Virtual environments and packaging" has more, on
  releases and containers in particular.
  """

  import Py.Verbs.Twins

  alias Py.Context.Each
  alias Py.{ContextError, Native, Options, Runtime, StartError}
  alias Py.Runtime.Locator
  alias Py.Venv.{Installer, Settings}

  @active {__MODULE__, :active}

  @typedoc """
  What to install: the path of a `requirements.txt` or of a `pyproject.toml`, whose dependencies
  are meant, or a list of lines as a `requirements.txt` has them
  """
  @type requirements :: Path.t() | [String.t()]

  @doc """
  Makes a virtual environment if it is missing, installs into it, and activates it.

  Nothing is done when it has all of that already, which takes some 50 milliseconds to find out.
  Otherwise the lines that pip or uv prints appear on the caller's terminal. Several processes,
  nodes or containers may do this at once with the same folder: the first one works, the others
  wait for it. Whatever dies in the middle leaves nothing behind that the next attempt would take
  for finished. The work stops when the calling process does.

  It installs again when the requirements have changed: their text, a file that they include, or
  the content of a local folder. Packages that are no longer asked for stay; `force: true` begins
  with nothing. An environment of another Python is made anew.

  ## Options

  #{Options.docs(:venv)}
  ## Examples

      :ok = Py.Venv.ensure("/var/lib/my_app/venv", "requirements.txt")
      :ok = Py.Venv.ensure("_build/venv", ["numpy>=2", "-e ./python/my_package"], installer: :uv)

      iex> {:error, error} = Py.Venv.ensure("/tmp/never", "no/such/requirements.txt")
      iex> error.reason
      :install_failed

  """
  @spec ensure(Path.t(), requirements, keyword) :: :ok | {:error, Exception.t()}
  def ensure(folder, requirements, opts \\ []) do
    options = Options.parse!(:venv, opts)
    folder = Path.expand(folder)

    with {:ok, python} <- python(),
         :ok <- Installer.run(folder, requirements, python, options) do
      if options.activate, do: activate(folder), else: :ok
    end
  end

  @doc """
  Like `ensure/3`, but raises the error.

      Py.Venv.ensure!("/var/lib/my_app/venv", "requirements.txt")

  """
  deftwin ensure!(
            folder :: Path.t(),
            requirements :: requirements,
            opts :: keyword \\ []
          ) :: :ok

  @doc """
  Lets every context see the packages of an environment, in place of those it has seen.

  It has to be made for the same version of Python. Modules that have been imported from elsewhere
  stay as they are. A context that is busy for more than five seconds makes this an error, which
  names it; the change then follows as soon as its present request has ended.

      iex> {:error, error} = Py.Venv.activate("/no/such/folder")
      iex> error.reason
      :not_a_venv

  """
  @spec activate(Path.t()) :: :ok | {:error, StartError.t() | ContextError.t() | Py.Error.t()}
  def activate(folder) do
    folder = Path.expand(folder)
    with {:ok, python} <- python(), :ok <- Settings.check(folder, python), do: change(folder)
  end

  @doc "Like `activate/1`, but raises the error."
  deftwin activate!(folder :: Path.t()) :: :ok

  @doc """
  Undoes `activate/1`: `sys.path` and `sys.prefix` are again what they were before.

      iex> Py.Venv.deactivate()
      :ok

  """
  @spec deactivate() :: :ok | {:error, ContextError.t() | Py.Error.t()}
  def deactivate do
    if active(), do: change(nil), else: :ok
  end

  @doc "Like `deactivate/0`, but raises the error."
  deftwin deactivate!() :: :ok

  @doc """
  The environment in use, as a map of `:active` and `:venv_path`.

  It is the one that was activated, or else the one whose Python was started.

      iex> {:ok, %{active: active}} = Py.Venv.info()
      iex> is_boolean(active)
      true

  """
  @spec info() :: {:ok, %{active: boolean, venv_path: Path.t() | nil}}
  def info do
    path = active() || started_in(Runtime.python())
    {:ok, %{active: path != nil, venv_path: path}}
  end

  @doc """
  Like `info/0`, but answers with the map.

      iex> %{venv_path: _path} = Py.Venv.info!()

  """
  deftwin info!() :: %{active: boolean, venv_path: Path.t() | nil}

  ## What the application and its contexts ask

  @doc false
  # Before the first context opens.
  @spec start() :: :ok | {:error, Exception.t()}
  def start do
    case Options.env(:venv) do
      nil -> deactivate()
      {folder, requirements} -> ensure(folder, requirements)
      {folder, requirements, opts} -> ensure(folder, requirements, opts)
      folder -> activate(folder)
    end
  end

  @doc false
  # What a context does before its first request. If an environment has ever been activated, the
  # main interpreter may still be in it.
  @spec preparation() :: [Native.op()]
  def preparation do
    case :persistent_term.get(@active, nil) do
      nil -> []
      {folder, number} -> [sync(folder, number)]
    end
  end

  # Contexts that open from here on find the new one by themselves, all others are told.
  defp change(folder) do
    :global.trans({@active, self()}, fn -> publish(folder) end, [node()])
  end

  defp publish(folder) do
    number = System.unique_integer([:monotonic, :positive])
    :persistent_term.put(@active, {folder, number})
    with {:ok, _answers} <- Each.run(sync(folder, number)), do: :ok
  end

  defp sync(folder, number), do: {:call, "erlang._venv", "sync", [folder, number], []}

  defp active do
    case :persistent_term.get(@active, nil) do
      {folder, _number} -> folder
      nil -> nil
    end
  end

  defp started_in(%{prefix: prefix, base_prefix: base}) when prefix != base, do: prefix
  defp started_in(_python), do: nil

  # What is made before the application starts is made for the Python it will find.
  defp python do
    case Runtime.python() do
      nil -> Locator.locate()
      python -> {:ok, python}
    end
  end
end
