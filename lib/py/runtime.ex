defmodule Py.Runtime do
  @moduledoc false

  # One libpython per OS process, loaded and initialised once and then kept: CPython cannot be
  # taken out again cleanly. Starting the application a second time in the same VM finds it
  # running and only opens contexts anew.

  alias Py.Encoder.Walk
  alias Py.{Native, Options, StartError}
  alias Py.Runtime.{Loader, Locator, Paths}

  @running {__MODULE__, :running}

  @doc "Finds Python, loads it and initialises it, unless that has been done."
  @spec start() :: :ok | {:error, StartError.t()}
  def start do
    with {:ok, python} <- find(),
         :ok <- open_library(python),
         :ok <- load_nif(python),
         {:ok, _mode} <- Py.Mode.fetch(Options.env(:mode)),
         :ok <- initialise(python) do
      :persistent_term.put(@running, {choice(), python})
    end
  end

  @doc "The interpreter in use, or `nil` before the first start."
  @spec python() :: Locator.t() | nil
  def python do
    case :persistent_term.get(@running, nil) do
      {_choice, python} -> python
      nil -> nil
    end
  end

  @doc "Facts about this runtime, as a map."
  @spec info() :: map
  def info do
    python = python() || %{}
    native = Native.runtime_info()

    Map.merge(native, %{
      executable: Map.get(python, :executable),
      prefix: Map.get(python, :prefix),
      libpython: Map.get(python, :libpython),
      execution_mode: Py.Mode.execution_mode(),
      open_contexts: native.contexts,
      num_contexts: Py.Router.num_contexts(),
      pools: Map.new(Py.Router.Pool.names(), &{&1, Py.Router.Pool.info(&1)}),
      otp: System.otp_release(),
      elixir: System.version()
    })
    |> Map.delete(:contexts)
  end

  defp find do
    choice = choice()

    case :persistent_term.get(@running, nil) do
      nil -> Locator.locate()
      {^choice, python} -> {:ok, python}
      {_other, python} -> fail(:initialisation_failed, exchange_refused(python))
    end
  end

  # What the user chose, as far as it can change within a VM.
  defp choice, do: {Options.env(:python), System.get_env("ERLANG_PYTHON")}

  defp exchange_refused(python) do
    "Python #{python.version_string} (#{python.executable}) runs in this VM already and cannot " <>
      "be exchanged for another one; restart the VM."
  end

  defp open_library(python) do
    with :ok <- load(Loader, "py_loader") do
      case Loader.library_open(python.libpython) do
        :ok -> :ok
        {:error, text} -> fail(:library_load_failed, text)
      end
    end
  end

  defp load_nif(python), do: load(Native, "py_nif-#{python.tag}")

  defp load(module, name) do
    path = Application.app_dir(:erlang_python, Path.join(["priv", "native", name]))

    cond do
      not File.exists?(path <> ".so") -> fail(:nif_not_found, "#{path}.so does not exist.")
      text = load_failure(module, path) -> fail(:nif_load_failed, text)
      true -> :ok
    end
  end

  defp load_failure(module, path) do
    case module.load(path) do
      :ok -> nil
      {:error, text} -> text
    end
  end

  defp initialise(python) do
    tag = make_ref()
    :ok = Native.runtime_start(config(python), tag)

    receive do
      {^tag, :ok} -> :ok
      {^tag, {:error, text}} -> fail(:initialisation_failed, text)
    end
  end

  defp config(python) do
    %{
      executable: python.executable,
      paths: Paths.all(Options.env(:paths)),
      stack_size: Options.env(:stack_size),
      templates: templates()
    }
  end

  # The native code makes these structs by filling in a copy, so that their layout stays the
  # business of the Elixir in use. Decimal is there only if the user depends on it. Structs with
  # an encoder it hands back, to be encoded here.
  defp templates do
    %{
      mapset: MapSet.new(),
      range: 1..1//1,
      date: ~D[2000-01-01],
      time: ~T[00:00:00],
      naive_datetime: ~N[2000-01-01 00:00:00],
      datetime: ~U[2000-01-01 00:00:00Z],
      decimal: if(Code.ensure_loaded?(Decimal), do: struct(Decimal, sign: 1, coef: 0, exp: 0)),
      encoders: Walk.encoders()
    }
  end

  defp fail(reason, details), do: {:error, %StartError{reason: reason, details: details}}
end
