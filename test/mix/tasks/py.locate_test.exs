defmodule Mix.Tasks.Py.LocateTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureIO

  alias Mix.Tasks.Py.Locate
  alias Py.Runtime.Locator

  test "prints variables that a shell can evaluate" do
    {:ok, python} = Locator.locate()
    lines = capture_io(fn -> Locate.run([]) end)

    names = ~w(PY_EXECUTABLE PY_VERSION PY_TAG PY_LIBPYTHON PY_LIBDIR)
    arguments = Enum.map_join(names, " ", &~s("$#{&1}"))
    {printed, 0} = System.cmd("sh", ["-c", lines <> "printf '%s\\n' " <> arguments])

    assert String.split(printed, "\n", trim: true) == [
             python.executable,
             python.version_string,
             python.tag,
             python.libpython,
             Path.dirname(python.libpython)
           ]
  end

  test "lists one interpreter per version with --all" do
    listed = capture_io(fn -> Locate.run(["--all"]) end) |> String.split("\n", trim: true)
    all = Locator.all()

    assert listed -- Enum.map(all, & &1.executable) == []
    assert length(listed) == all |> Enum.uniq_by(& &1.tag) |> length()
  end

  test "refuses other arguments" do
    assert_raise Mix.Error, ~r/Usage/, fn -> Locate.run(["--every"]) end
  end
end
