defmodule Mix.Tasks.Py.Doctor do
  @shortdoc "Shows which Python is used, why, and whether all is in order"

  @moduledoc """
  Shows the machine, the Python in use and why it was chosen, the native code built for it, the
  modes it can run, and the virtual environment with its packages.

      $ mix py.doctor

  What is wrong is listed at the end with what to do about it, and the task then ends with
  status 1. It changes nothing, apart from building the project first as any Mix task does.
  """

  use Mix.Task

  alias Mix.Tasks.Compile.PyNative
  alias Py.Runtime.Locator
  alias Py.Venv.Report

  @impl true
  def run(_arguments) do
    Mix.Task.run("compile", ["--return-errors"])
    python = Locator.locate()
    {packages, complaints} = packages(python)
    started = with {:ok, python} <- python, :ok <- built(python), do: start(python)

    print("Machine", machine())
    print("BEAM", beam())
    print("Python", python(python) ++ others(python))
    print("Native code", native(python))
    print("Modes on this Python", modes(started))
    print("Packages", packages)
    conclude(started, complaints)
  end

  defp machine do
    {_family, name} = :os.type()
    version = with {major, minor, patch} <- :os.version(), do: "#{major}.#{minor}.#{patch}"

    [
      {"system", "#{distribution()}#{name} #{version}"},
      {"architecture", :erlang.system_info(:system_architecture)},
      {"processors", :erlang.system_info(:logical_processors_available)}
    ]
  end

  defp distribution do
    with {:ok, text} <- File.read("/etc/os-release"),
         [_, name] <- Regex.run(~r/^PRETTY_NAME="?([^"\n]+)/m, text) do
      name <> ", "
    else
      _ -> ""
    end
  end

  defp beam do
    [
      {"erlang_python", version(:erlang_python)},
      {"Elixir", System.version()},
      {"Erlang/OTP", "#{System.otp_release()} (erts #{version(:erts)})"},
      {"NIF version", :erlang.system_info(:nif_version)},
      {"schedulers", :erlang.system_info(:schedulers_online)}
    ]
  end

  defp version(:erts), do: :erlang.system_info(:version)

  defp version(application) do
    Application.load(application)
    Application.spec(application, :vsn) || "not built"
  end

  defp python({:error, error}), do: [{"in use", "none: " <> first_line(error)}]

  defp python({:ok, python}) do
    [
      {"in use", "#{python.version_string}#{gil(python)}"},
      {"because of", Locator.why(python)},
      {"executable", python.executable},
      {"prefix", prefix(python)},
      {"library", python.libpython}
    ]
  end

  defp gil(%{free_threaded: true}), do: ", free-threaded"
  defp gil(%{free_threaded: false}), do: ""

  defp prefix(%{prefix: prefix, base_prefix: prefix}), do: prefix
  defp prefix(python), do: "#{python.prefix} (virtual environment over #{python.base_prefix})"

  defp others(chosen) do
    for other <- Locator.all(), not same?(other, chosen) do
      {"also usable", "#{other.version_string}#{gil(other)} (#{other.executable})"}
    end
  end

  defp same?(other, {:ok, python}) do
    other.libpython == python.libpython and other.prefix == python.prefix
  end

  defp same?(_other, {:error, _}), do: false

  defp native(python) do
    [
      {"cargo", System.find_executable("cargo") || "not found (only needed to build)"},
      {"loader", file("py_loader")},
      {"NIF", native_for(python)}
    ]
  end

  defp native_for({:ok, python}), do: file("py_nif-#{python.tag}")
  defp native_for({:error, _}), do: "depends on the Python in use"

  defp file(name) do
    path = Path.join([to_string(:code.priv_dir(:erlang_python)), "native", name <> ".so"])

    case File.stat(path) do
      {:ok, %{size: size}} -> "#{name}.so, #{Float.round(size / 1_000_000, 1)} MB"
      {:error, _} -> "#{name}.so is missing"
    end
  end

  # An old library may still work, and hide that the present sources do not build.
  defp built(python) do
    if PyNative.up_to_date?(python) do
      :ok
    else
      details = "The native code for #{python.tag} is missing, or older than its sources."
      {:error, %Py.StartError{reason: :nif_not_found, details: details}}
    end
  end

  # Looking at an environment must not make it, as starting the application would.
  defp packages(python) do
    config = Py.Options.env(:venv)
    Application.delete_env(:erlang_python, :venv)

    case python do
      {:ok, python} -> Report.make(config, python)
      {:error, error} -> {[{"unknown", first_line(error)}], []}
    end
  end

  defp start(python) do
    case Application.ensure_all_started(:erlang_python) do
      {:ok, _started} -> {:ok, python}
      {:error, {_application, reason}} -> {:error, start_error(reason)}
    end
  end

  # OTP wraps what the application's start function answered.
  defp start_error({{%Py.StartError{} = error, _}, _mfa}), do: error
  defp start_error({%Py.StartError{} = error, _}), do: error

  defp start_error(other) do
    %Py.StartError{reason: :not_started, details: Exception.format_exit(other)}
  end

  defp modes({:error, error}), do: [{"unknown", first_line(error)}]

  defp modes({:ok, _python}) do
    for row <- Py.Mode.all() do
      {inspect(row.name) <> if(row.default, do: " *", else: ""), mode(row)}
    end ++ [{"", "* what :auto stands for"}]
  end

  defp mode(%{supported: true} = row), do: "#{row.interpreter} (#{inspect(row.execution_mode)})"
  defp mode(%{supported: false} = row), do: "no, needs #{row.requires}"

  defp conclude({:ok, _python}, []), do: Mix.shell().info("Everything is in order.")
  defp conclude({:ok, _python}, complaints), do: complain(complaints)
  defp conclude({:error, error}, more), do: complain([Exception.message(error) | more])

  defp complain([one]), do: fail("One thing is wrong: #{one}")

  defp complain(several),
    do: fail(["Some things are wrong:" | Enum.map(several, &["\n\n", &1])])

  defp fail(text) do
    Mix.shell().error(text)
    exit({:shutdown, 1})
  end

  defp first_line(error), do: error |> Exception.message() |> String.split("\n") |> hd()

  defp print(title, rows) do
    lines = for {label, value} <- rows, do: "  #{String.pad_trailing(label, 17)} #{value}\n"
    Mix.shell().info([title, "\n", lines])
  end
end
