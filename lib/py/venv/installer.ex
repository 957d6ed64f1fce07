defmodule Py.Venv.Installer do
  @moduledoc false

  # Has `erlang._installer` make an environment, in an operating system process of its own: what
  # pip does is nothing to do inside the BEAM. That program has the lock, the stamp and the rest;
  # here are only its arguments and what it says in the end.

  alias Py.Runtime.Locator
  alias Py.StartError
  alias Py.Venv.Program

  # How lines begin that are not for the terminal.
  @mark "erlang_python:"

  @main """
  import sys
  sys.path.insert(0, sys.argv.pop(1))
  from erlang._installer import main
  main()
  """

  @type requirements :: Path.t() | [String.t()]

  @doc "Makes the environment in that folder hold what is required, with that Python."
  @spec run(Path.t(), requirements, Locator.t(), map) :: :ok | {:error, StartError.t()}
  def run(folder, requirements, python, options) do
    with {:ok, wanted} <- wanted(requirements),
         {:ok, installer} <- installer(options.installer) do
      force = if options.force, do: ["--force"], else: []
      package = Application.app_dir(:erlang_python, "priv/python")
      flags = ["-I", "-X", "utf8", "-c", @main, package]
      arguments = flags ++ ["--path=" <> folder] ++ installer ++ wanted ++ force
      show = if options.quiet, do: fn _line -> :ok end, else: &show/1

      python.executable
      |> Program.run(arguments, [ERLANG_NODE: node()], show)
      |> conclude(python)
    end
  end

  # A file's name says what it is; anything else would be a guess.
  defp wanted(path) when is_binary(path) do
    file = Path.expand(path)

    cond do
      not File.regular?(file) -> fail("#{file} is no file.")
      Path.extname(file) == ".toml" and Path.basename(file) != "pyproject.toml" -> unknown(file)
      true -> {:ok, ["--file=" <> file]}
    end
  end

  defp wanted(lines) when is_list(lines) do
    if Enum.all?(lines, &is_binary/1),
      do: {:ok, Enum.map(lines, &("--line=" <> &1))},
      else: unknown(lines)
  end

  defp wanted(other), do: unknown(other)

  defp unknown(other) do
    fail(
      "Requirements are the path of a requirements.txt or pyproject.toml, or a list of strings " <>
        "such as \"numpy>=2\", not #{inspect(other)}."
    )
  end

  defp installer(:pip), do: {:ok, []}

  defp installer(:uv) do
    case System.find_executable("uv") do
      nil -> fail("There is no `uv` on the PATH: https://docs.astral.sh/uv/ says how to get it.")
      uv -> {:ok, ["--uv=" <> uv]}
    end
  end

  defp installer(nil), do: installer(if System.find_executable("uv"), do: :uv, else: :pip)

  defp show(@mark <> _for_us), do: :ok
  defp show(line), do: IO.puts(line)

  defp conclude({0, _lines}, _python), do: :ok

  defp conclude({:error, reason}, python) do
    details = "#{python.executable} does not run: #{inspect(reason)}."
    {:error, %StartError{reason: :venv_failed, details: details}}
  end

  defp conclude({status, lines}, _python) do
    {ours, printed} = Enum.split_with(lines, &String.starts_with?(&1, @mark))

    said =
      for @mark <> line <- ours,
          [key, value] <- [String.split(line, "=", parts: 2)],
          into: %{},
          do: {key, value}

    how = said["details"] || "The installer ended with status #{status}."
    {:error, %StartError{reason: reason(said["reason"]), details: details(how, printed)}}
  end

  defp reason("install_failed"), do: :install_failed
  defp reason("not_a_venv"), do: :not_a_venv
  defp reason(_other), do: :venv_failed

  defp details(how, []), do: how
  defp details(how, printed), do: Enum.join([how, "" | printed], "\n")

  defp fail(details), do: {:error, %StartError{reason: :install_failed, details: details}}
end
