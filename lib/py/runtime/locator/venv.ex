defmodule Py.Runtime.Locator.Venv do
  @moduledoc false
  # The Python of the virtual environment in `config :erlang_python, venv:`. It is the one below
  # the environment that is to run: activating the latter is `Py.Venv`'s business, and can be
  # undone.

  alias Py.Runtime.Locator
  alias Py.Runtime.Locator.Probe
  alias Py.StartError
  alias Py.Venv.Settings

  @doc """
  The Python that the environment was made for; `nil` without one, or if it can be made anew.
  """
  @spec locate(term) :: {:ok, Locator.t()} | {:error, StartError.t()} | nil
  def locate(config) do
    case config do
      folder when is_binary(folder) -> folder |> Path.expand() |> ask()
      other -> other |> folder() |> ask() |> only_usable()
    end
  end

  defp folder({folder, _requirements}) when is_binary(folder), do: Path.expand(folder)
  defp folder({folder, _requirements, _options}) when is_binary(folder), do: Path.expand(folder)
  defp folder(_none), do: nil

  # `Py.Venv.ensure/3` replaces an environment whose Python is gone, with the one found elsewhere.
  defp only_usable({:error, _error}), do: nil
  defp only_usable(found), do: found

  defp ask(nil), do: nil

  defp ask(folder) do
    case Settings.read(folder) do
      {:ok, settings} -> settings |> candidates() |> first_usable(settings, folder)
      # Activating says so better.
      {:error, _error} -> nil
    end
  end

  # The path noted in full is that of the Python which made it, or else its folder has it.
  defp candidates(%{version: version, home: home, executable: executable}) do
    version = if version, do: Settings.version(version), else: "3"
    names = ["python#{version}t", "python#{version}", "python3"]
    beside = if home, do: Enum.map(names, &Path.join(home, &1)), else: []

    [executable | beside]
    |> Enum.filter(&(is_binary(&1) and File.exists?(&1)))
    |> Enum.uniq()
  end

  defp first_usable(candidates, settings, folder) do
    answers = Stream.map(candidates, &Probe.ask(&1, {:config_venv, folder}))

    Enum.find(answers, &fits?(&1, settings, folder)) ||
      Enum.find(answers, &match?({:error, _error}, &1)) ||
      gone(folder, settings)
  end

  defp fits?({:ok, python}, _settings, folder), do: Settings.check(folder, python) == :ok
  defp fits?({:error, _error}, _settings, _folder), do: false

  defp gone(folder, settings) do
    details =
      "The Python of the virtual environment #{folder} is not in #{settings.home} any more."

    {:error, %StartError{reason: :python_not_found, details: details}}
  end
end
