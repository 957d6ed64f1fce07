defmodule Py.Modes.VenvTest do
  # What is activated every context of the node sees.
  use Py.Case, async: false

  alias Py.Case.Venvs
  alias Py.Venv

  @moduletag :tmp_dir

  setup do
    on_exit(&Venv.deactivate/0)
  end

  for %{name: mode, supported: true} <- Py.Mode.all() do
    test "#{mode}: an environment is seen by the contexts that are open and those to come, and left by all",
         %{tmp_dir: folder} do
      venv =
        Venvs.make(Path.join(folder, "venv"), "brought_#{unquote(mode)}": "NAME = __name__\n")

      linked = Path.join(folder, "linked")
      File.mkdir_p!(linked)
      File.write!(Path.join(linked, "linked_#{unquote(mode)}.py"), "")
      File.write!(Path.join(Venvs.packages(venv), "linked.pth"), linked <> "\n")
      code = "import linked_#{unquote(mode)}, brought_#{unquote(mode)} as it\nit.NAME"

      open = for _ <- 1..2, do: start_context(mode: unquote(mode))
      before = for context <- open, do: Py.eval!(Venvs.place(), %{}, context: context)
      assert Venv.activate(venv) == :ok
      contexts = open ++ [start_context(mode: unquote(mode))]

      for context <- contexts do
        assert Py.eval(code, %{}, context: context) == {:ok, "brought_#{unquote(mode)}"}
        assert [_path, ^venv, ^venv, [^venv]] = Py.eval!(Venvs.place(), %{}, context: context)
      end

      # Threads of several contexts may be told at once.
      tasks = for _ <- 1..4, do: Task.async(fn -> Venv.activate(venv) end)
      assert Enum.uniq(Task.await_many(tasks, 30_000)) == [:ok]
      assert Venv.deactivate() == :ok
      assert before == for(context <- open, do: Py.eval!(Venvs.place(), %{}, context: context))
    end
  end
end
