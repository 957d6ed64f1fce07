defmodule Py.Venv.ReportTest do
  use Py.Case, async: false

  alias Py.Case.Venvs
  alias Py.Venv.Report

  @moduletag :tmp_dir

  setup %{tmp_dir: folder} do
    %{venv: Venvs.make(Path.join(folder, "venv")), python: Py.Runtime.python()}
  end

  defp row({rows, _complaints}, label), do: rows |> Map.new() |> Map.fetch!(label)

  test "without an environment it looks at Python itself", %{python: python} do
    python = %{python | prefix: python.base_prefix}
    assert {_rows, []} = report = Report.make(nil, python)
    assert row(report, "environment") == "none"
    assert row(report, "its Python") == python.version_string
  end

  test "counts what is installed", %{venv: venv, python: python} do
    info = Path.join(Venvs.packages(venv), "shop-1.0.dist-info")
    File.mkdir_p!(info)
    File.write!(Path.join(info, "METADATA"), "Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    assert {_rows, []} = report = Report.make(venv, python)
    assert row(report, "packages") == "1"
    assert row(report, "pip") == "missing"
  end

  test "says how to mend one of another Python", %{venv: venv, python: python} do
    File.write!(Path.join(venv, "pyvenv.cfg"), "home = /usr/bin\nversion = 3.8.1\n")
    assert {[{"environment", shown}], [complaint]} = Report.make(venv, python)
    assert shown =~ "cannot be used"
    assert complaint =~ "was made for Python 3.8"
    assert complaint =~ "Py.Venv.ensure/3"
    assert {[{"environment", shown}], []} = Report.make({venv, ["six"]}, python)
    assert shown =~ "to be made anew"
  end

  test "says that its Python has gone", %{venv: venv, python: python} do
    File.rm!(Path.join(venv, "bin/python"))
    assert {_rows, [complaint]} = Report.make(venv, python)
    assert complaint =~ "does not run"
  end

  test "says what keeps an installation from working", %{venv: venv, python: python} do
    path = System.get_env("PATH")
    on_exit(fn -> System.put_env("PATH", path) end)
    System.put_env("PATH", "/nowhere")
    assert {_rows, [complaint]} = Report.make(venv, python)
    assert complaint =~ "neither pip in #{venv} nor uv"
    assert complaint =~ "-m ensurepip"
  end
end
