defmodule Mix.Tasks.Py.DoctorTest do
  # The shell is one for all of Mix.
  use ExUnit.Case, async: false

  alias Py.Case.Venvs
  alias Py.Runtime.Locator

  setup do
    shell = Mix.shell()
    Mix.shell(Mix.Shell.Process)
    on_exit(fn -> Mix.shell(shell) end)
  end

  defp printed do
    receive do
      {:mix_shell, _kind, [text]} -> text <> "\n" <> printed()
    after
      0 -> ""
    end
  end

  test "shows the Python in use, why, its native code and its modes" do
    {:ok, python} = Locator.locate()
    Mix.Tasks.Py.Doctor.run([])
    text = printed()

    assert text =~ python.executable
    assert text =~ python.libpython
    assert text =~ Locator.why(python)
    assert text =~ "py_nif-#{python.tag}.so"
    for row <- Py.Mode.all(), do: assert(text =~ inspect(row.name))
    assert text =~ "Everything is in order."
  end

  @tag :tmp_dir
  test "shows the environment and what would fail, and makes none", %{tmp_dir: folder} do
    venv = Path.join(folder, "venv")
    requirements = Path.join(folder, "requirements.txt")
    on_exit(fn -> Application.delete_env(:erlang_python, :venv) end)

    Application.put_env(:erlang_python, :venv, {venv, requirements})
    assert catch_exit(Mix.Tasks.Py.Doctor.run([])) == {:shutdown, 1}
    text = printed()
    assert text =~ "#{venv}, to be made when the application starts"
    assert text =~ "One thing is wrong: The requirements #{requirements}"
    refute File.exists?(venv)

    Venvs.make(venv)
    Application.put_env(:erlang_python, :venv, venv)
    Mix.Tasks.Py.Doctor.run([])
    text = printed()
    assert text =~ ~r/environment +#{venv}/
    assert text =~ ~r/packages +0/
    assert text =~ ~r/pip +missing/
    assert text =~ "Everything is in order."
  end
end
