defmodule Mix.Tasks.Py.DoctorTest do
  # The shell is one for all of Mix.
  use ExUnit.Case, async: false

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
end
