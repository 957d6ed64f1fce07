defmodule Py.Modes.ChildTest do
  # The other tests of this folder rely on these answers.
  use Py.Case, async: true

  alias Py.Child

  test "a BEAM of its own runs a function with the same Python" do
    assert {:ok, version, _output} = Child.run({Py, :version, []})
    assert version == Py.version()
    assert {:ok, pid, _output} = Child.run({System, :pid, []})
    assert pid != System.pid()
  end

  test "an exception there, a BEAM that is killed and one that hangs are answers" do
    assert {:error, :crashed, output} = Child.run({String, :to_integer, ["x"]})
    assert output =~ "ArgumentError"
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert {:error, :crashed, _} = Child.run({Py, :exec, [kill]})
    endless = "__import__('threading').Event().wait()"
    work = {Py, :eval, [endless, %{}, [timeout: :infinity]]}
    assert {:error, :hung, output} = Child.run(work, timeout: 6_000)
    assert output =~ "Py.Request.Waiting"
  end
end
