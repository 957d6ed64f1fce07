defmodule Py.Runtime.Locator.VenvTest do
  # uv goes on this BEAM's PATH.
  use Py.Case, async: false

  alias Py.Case.Venvs
  alias Py.Runtime.Locator
  alias Py.StartError

  @moduletag :tmp_dir

  setup %{tmp_dir: folder} do
    %{venv: Venvs.make(Path.join(folder, "venv")), nothing: %{"PATH" => folder, "HOME" => folder}}
  end

  test "the configured environment's Python is chosen, the one below it", %{
    venv: venv,
    nothing: env
  } do
    running = Py.Runtime.python()

    for config <- [venv, {venv, ["six"]}, {venv, "requirements.txt", force: true}] do
      assert {:ok, python} = Locator.locate(python: nil, venv: config, env: env)
      assert python.libpython == running.libpython
      assert python.prefix == python.base_prefix
      assert Locator.why(python) == "config :erlang_python, venv: #{inspect(venv)}"
    end
  end

  test "what was chosen by name goes first, the shell's environment last", %{venv: venv} do
    executable = Py.Runtime.python().executable
    env = Map.merge(System.get_env(), %{"ERLANG_PYTHON" => executable, "VIRTUAL_ENV" => "/gone"})
    assert {:ok, python} = Locator.locate(python: nil, venv: venv, env: env)
    assert python.source == {:env, executable}

    env = Map.delete(env, "ERLANG_PYTHON")
    assert {:ok, python} = Locator.locate(python: nil, venv: venv, env: env)
    assert python.source == {:config_venv, venv}
  end

  test "one that is not there yet decides nothing", %{tmp_dir: folder} do
    executable = Py.Runtime.python().executable
    env = %{"PATH" => Path.dirname(executable), "HOME" => folder}

    for config <- [Path.join(folder, "later"), {Path.join(folder, "later"), ["six"]}] do
      assert {:ok, python} = Locator.locate(python: nil, venv: config, env: env)
      assert python.source == :path
    end
  end

  test "one whose Python is gone is an error, unless it can be made anew", %{venv: venv} do
    File.write!(Path.join(venv, "pyvenv.cfg"), "home = /no/such/bin\nversion = 3.13.0\n")
    env = System.get_env() |> Map.drop(["ERLANG_PYTHON", "VIRTUAL_ENV"])
    assert {:error, %StartError{} = error} = Locator.locate(python: nil, venv: venv, env: env)
    assert error.reason == :python_not_found
    assert Exception.message(error) =~ "is not in /no/such/bin any more"

    assert {:ok, python} = Locator.locate(python: nil, venv: {venv, ["six"]}, env: env)
    assert python.source != {:config_venv, venv}
  end

  test "an activated environment fits the Python that it has chosen", %{venv: venv, nothing: env} do
    {:ok, python} = Locator.locate(python: nil, venv: venv, env: env)
    assert Py.Venv.Settings.check(venv, python) == :ok
    {major, minor, patch} = python.version
    other = %{python | version: {major, minor - 1, patch}}
    assert {:error, %StartError{reason: :venv_mismatch}} = Py.Venv.Settings.check(venv, other)
    other = %{python | free_threaded: not python.free_threaded}
    assert {:error, %StartError{reason: :venv_mismatch}} = Py.Venv.Settings.check(venv, other)
  end
end
