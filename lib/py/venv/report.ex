defmodule Py.Venv.Report do
  @moduledoc false

  # What `mix py.doctor` says about packages: which environment there is or will be, what is in it,
  # and what would fail.

  alias Py.Runtime.Locator
  alias Py.Venv.Settings

  @type row :: {String.t(), String.t()}

  # In lines of their own, since .pth files may print as well.
  @question """
  import importlib.metadata, sys
  names = {(found.metadata["Name"] or "").lower() for found in importlib.metadata.distributions()}
  print("erlang_python:packages=%d" % len(names))
  print("erlang_python:pip=%s" % ("pip" in names))
  print("erlang_python:version=%s" % sys.version.split()[0])
  """

  @doc "Rows to show, and sentences on what is wrong, for a configured environment and a Python."
  @spec make(term, Locator.t()) :: {[row], [String.t()]}
  def make(config, python) do
    {folder, requirements} = environment(config, python)

    cond do
      folder == nil -> {[{"environment", "none"} | contents(python.executable, nil)], []}
      requirements != nil and not File.dir?(folder) -> not_made(folder, requirements)
      true -> of_folder(folder, requirements, python)
    end
  end

  # Python may have been started in one that nobody has configured.
  defp environment({folder, requirements, _options}, _python),
    do: {Path.expand(folder), requirements}

  defp environment({folder, requirements}, _python), do: {Path.expand(folder), requirements}
  defp environment(folder, _python) when is_binary(folder), do: {Path.expand(folder), nil}

  defp environment(nil, %{prefix: prefix, base_prefix: base}) when prefix != base,
    do: {prefix, nil}

  defp environment(nil, _python), do: {nil, nil}

  defp not_made(folder, requirements) do
    rows = [
      {"environment", "#{folder}, to be made when the application starts"},
      {"requirements", inspect(requirements)},
      {"uv", uv()}
    ]

    {rows, unreadable(requirements)}
  end

  defp of_folder(folder, requirements, python) do
    case Settings.check(folder, python) do
      :ok ->
        answers = ask(Path.join(folder, "bin/python"))
        rows = [{"environment", folder} | contents(answers)] ++ [{"uv", uv()}]
        {rows, unreadable(requirements) ++ unfit(folder, requirements, answers)}

      # `ensure` replaces it.
      {:error, error} when requirements != nil ->
        {[{"environment", "#{folder}, to be made anew: #{error.details}"}], []}

      {:error, error} ->
        {[{"environment", "#{folder} cannot be used"}], [Exception.message(error)]}
    end
  end

  defp contents(executable, nil), do: executable |> ask() |> contents()

  defp contents({:ok, said}) do
    [
      {"its Python", said["version"]},
      {"packages", said["packages"]},
      {"pip", if(said["pip"] == "True", do: "there", else: "missing")}
    ]
  end

  defp contents({:error, output}), do: [{"its Python", "does not run: " <> first_line(output)}]

  defp unfit(folder, requirements, {:ok, said}) do
    no_installer = said["pip"] != "True" and System.find_executable("uv") == nil
    read_only = requirements != nil and not writable?(folder)

    if(no_installer, do: [no_installer(folder)], else: []) ++
      if(read_only, do: [read_only(folder)], else: [])
  end

  defp unfit(folder, _requirements, {:error, output}) do
    [
      "The Python of #{folder} does not run: #{first_line(output)}. It may have been moved or " <>
        "removed since. `Py.Venv.ensure/3` makes the environment anew."
    ]
  end

  defp no_installer(folder) do
    "There is neither pip in #{folder} nor uv on the PATH, so nothing can be installed there. " <>
      "`#{folder}/bin/python -m ensurepip` brings pip."
  end

  defp read_only(folder) do
    "#{folder} cannot be written to, so nothing can be installed when the requirements change. " <>
      "Name the folder alone, `config :erlang_python, venv: #{inspect(folder)}`, to use it as it is."
  end

  defp unreadable(file) when is_binary(file) do
    if File.regular?(file),
      do: [],
      else: [
        "The requirements #{Path.expand(file)}, from `config :erlang_python, venv:`, are missing."
      ]
  end

  defp unreadable(_lines), do: []

  defp writable?(folder) do
    match?({:ok, %{access: access}} when access in [:write, :read_write], File.stat(folder))
  end

  defp ask(executable) do
    case System.cmd(executable, ["-I", "-c", @question], stderr_to_stdout: true) do
      {output, 0} -> {:ok, answers(output)}
      {output, _status} -> {:error, output}
    end
  rescue
    error in ErlangError -> {:error, "#{executable}: #{inspect(error.original)}"}
  end

  defp answers(output) do
    for "erlang_python:" <> line <- String.split(output, "\n"),
        [key, value] <- [String.split(line, "=", parts: 2)],
        into: %{},
        do: {key, value}
  end

  defp uv, do: System.find_executable("uv") || "not found (pip does as well)"
  defp first_line(text), do: text |> String.trim() |> String.split("\n") |> List.last()
end
