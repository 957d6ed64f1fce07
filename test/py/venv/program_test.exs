defmodule Py.Venv.ProgramTest do
  use ExUnit.Case, async: true

  alias Py.Venv.Program

  defp run(script), do: Program.run("/bin/sh", ["-c", script], [NAME: "value"], &send(self(), &1))

  test "each line is shown as it comes, and the status comes back" do
    assert run("echo one; echo $NAME >&2; echo last; exit 3") == {3, ["one", "value", "last"]}
    assert_received "one"
    assert_received "value"
    assert_received "last"
  end

  test "of many lines the last are kept" do
    {0, lines} = run("i=0; while [ $i -lt 500 ]; do echo $i; i=$((i+1)); done")
    assert length(lines) == 200
    assert List.last(lines) == "499"
  end

  test "a long line is one line, and text in another encoding is shown as well as can be" do
    {0, [line]} = run("printf '%070000d\\n' 7")
    assert byte_size(line) == 70_000
    assert run("printf 'caf\\351\\n'") == {0, ["café"]}
  end

  test "a program that is not there is an error" do
    assert Program.run("/no/such/program", [], [], &send(self(), &1)) == {:error, :enoent}
  end

  test "a process that traps exits hears nothing of the port" do
    Process.flag(:trap_exit, true)
    assert run(":") == {0, []}
    refute_received {:EXIT, _port, _reason}
  end
end
