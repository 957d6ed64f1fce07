defmodule Py.Venv.Settings do
  @moduledoc false

  # What a virtual environment says about itself, in the file that makes a folder one.

  alias Py.StartError

  @type t :: %{
          version: {integer, integer} | nil,
          home: Path.t() | nil,
          executable: Path.t() | nil
        }

  @doc "What `pyvenv.cfg` in that folder says."
  @spec read(Path.t()) :: {:ok, t} | {:error, StartError.t()}
  def read(folder) do
    case File.read(Path.join(folder, "pyvenv.cfg")) do
      {:ok, text} -> {:ok, text |> pairs() |> settings()}
      {:error, reason} -> fail(:not_a_venv, missing(folder, reason))
    end
  end

  @doc "Whether that Python can have the packages of the environment in that folder."
  @spec check(Path.t(), Py.Runtime.Locator.t()) :: :ok | {:error, StartError.t()}
  def check(folder, python) do
    {major, minor, _patch} = python.version

    with {:ok, settings} <- read(folder) do
      cond do
        settings.version not in [nil, {major, minor}] ->
          mismatch(folder, "was made for Python #{version(settings.version)}", python)

        not has_packages?(folder, python) ->
          mismatch(folder, "has no folder #{packages(python)}", python)

        true ->
          :ok
      end
    end
  end

  @doc "A version as Python names its folders by."
  @spec version({integer, integer}) :: String.t()
  def version({major, minor}), do: "#{major}.#{minor}"

  # uv and virtualenv call it `version_info`, and add to it.
  defp settings(pairs) do
    %{
      version: parse(pairs["version"] || pairs["version_info"] || ""),
      home: pairs["home"],
      executable: pairs["executable"]
    }
  end

  defp pairs(text) do
    for line <- String.split(text, "\n"),
        [key, value] <- [String.split(line, "=", parts: 2)],
        into: %{},
        do: {key |> String.trim() |> String.downcase(), String.trim(value)}
  end

  defp parse(text) do
    case Regex.run(~r/^(\d+)\.(\d+)/, text) do
      [_, major, minor] -> {String.to_integer(major), String.to_integer(minor)}
      nil -> nil
    end
  end

  # A build without the GIL has packages of its own.
  defp has_packages?(folder, python),
    do: Enum.any?(["lib", "lib64"], &File.dir?(Path.join([folder, &1, packages(python)])))

  defp packages(%{version: {major, minor, _patch}, free_threaded: free_threaded}),
    do: "python#{major}.#{minor}#{if free_threaded, do: "t"}/site-packages"

  defp mismatch(folder, what, python) do
    fail(
      :venv_mismatch,
      "#{folder} #{what}, and this is Python #{python.version_string} (#{python.executable})."
    )
  end

  defp missing(folder, :enoent) do
    if File.dir?(folder),
      do: "#{folder} has no pyvenv.cfg.",
      else: "#{folder} does not exist."
  end

  defp missing(folder, reason), do: "#{folder}/pyvenv.cfg: #{:file.format_error(reason)}."

  defp fail(reason, details), do: {:error, %StartError{reason: reason, details: details}}
end
