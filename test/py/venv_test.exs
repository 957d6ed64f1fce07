defmodule Py.VenvTest do
  # What is activated here every context of the node sees.
  use Py.Case, async: false

  import ExUnit.CaptureIO

  alias Py.Case.Venvs
  alias Py.{Child, StartError, Venv}

  doctest Venv

  @moduletag :tmp_dir
  @moduletag timeout: 60_000

  setup_all do
    Venvs.provide_uv()
  end

  setup do
    on_exit(&Venv.deactivate/0)
  end

  defp ensure(folder, requirements, opts \\ []) do
    with_io(fn -> Venv.ensure(folder, requirements, Keyword.merge([installer: :uv], opts)) end)
  end

  # As the files say: where contexts share an interpreter, what has been imported stays.
  defp version(package) do
    code = "import importlib.metadata, importlib\nimportlib.import_module(name)\n"
    Py.eval(code <> "importlib.metadata.version(name)", name: package)
  end

  defp project(folder, name, source) do
    File.mkdir_p!(Path.join(folder, name))
    File.write!(Path.join([folder, name, "__init__.py"]), source)

    File.write!(Path.join(folder, "pyproject.toml"), """
    [build-system]
    requires = ["flit_core >=3.2,<4"]
    build-backend = "flit_core.buildapi"

    [project]
    name = "#{name}"
    version = "1.0"
    description = "a package of the tests"
    dependencies = ["six==1.16.0"]
    """)

    folder
  end

  describe "ensure" do
    test "makes an environment with pip, installs a real package and shows its lines", %{
      tmp_dir: folder
    } do
      venv = Path.join(folder, "venv")
      requirements = Path.join(folder, "requirements.txt")
      File.write!(requirements, "# what we need\nsix==1.16.0\n")
      {answer, output} = ensure(venv, requirements, installer: :pip)

      assert answer == :ok
      assert output =~ "Making the virtual environment #{venv}"
      assert output =~ "Successfully installed six-1.16.0"
      refute output =~ "erlang_python:"
      assert version("six") == {:ok, "1.16.0"}
      assert Venv.info() == {:ok, %{active: true, venv_path: venv}}

      assert ensure(venv, requirements, installer: :pip) == {:ok, ""}
    end

    test "installs again when the requirements have changed, those they include too", %{
      tmp_dir: folder
    } do
      venv = Path.join(folder, "venv")
      requirements = Path.join(folder, "requirements.txt")
      File.write!(requirements, "-r more.txt\n")
      File.write!(Path.join(folder, "more.txt"), "six==1.16.0\n")
      assert {:ok, _output} = ensure(venv, requirements)
      assert ensure(venv, requirements) == {:ok, ""}
      note = Path.join(venv, "note")
      File.write!(note, "")

      File.write!(Path.join(folder, "more.txt"), "six==1.17.0\n")
      {:ok, output} = ensure(venv, requirements)
      refute output =~ "Making"
      assert version("six") == {:ok, "1.17.0"}
      assert File.exists?(note)

      {:ok, output} = ensure(venv, requirements, force: true)
      assert output =~ "Making the virtual environment"
      refute File.exists?(note)
    end

    test "says with the installer's own words what is wrong, and works when that is mended", %{
      tmp_dir: folder
    } do
      venv = Path.join(folder, "venv")
      {{:error, %StartError{} = error}, output} = ensure(venv, ["six==0.0.0.1"])
      assert error.reason == :install_failed
      text = Exception.message(error)
      assert text =~ "the packages could not be installed"
      assert text =~ "no version of six==0.0.0.1"
      assert output =~ "no version of six==0.0.0.1"
      assert {:ok, %{active: false}} = Venv.info()

      assert {:ok, _output} = ensure(venv, ["six==1.17.0"])
      assert version("six") == {:ok, "1.17.0"}
    end

    test "takes the dependencies of a project, and folders of this machine", %{tmp_dir: folder} do
      source = project(Path.join(folder, "shop"), "shop_in_place", "RATE = 1\n")
      venv = Path.join(folder, "venv")
      {:ok, output} = ensure(venv, Path.join(source, "pyproject.toml"))
      assert output =~ "six==1.16.0"
      refute output =~ "shop_in_place"

      # An installation in place is a .pth file that leads to the sources.
      assert {:ok, _output} = ensure(venv, ["-e #{source}"])
      assert Py.eval("import shop_in_place\nshop_in_place.RATE") == {:ok, 1}
      assert {:ok, file} = Py.eval("import shop_in_place\nshop_in_place.__file__")
      assert String.starts_with?(file, source)
      File.write!(Path.join(source, "shop_in_place/__init__.py"), "RATE = 2\n")
      assert ensure(venv, ["-e #{source}"]) == {:ok, ""}

      # A copy has to follow its sources.
      assert {:ok, _output} = ensure(venv, [source])
      File.write!(Path.join(source, "shop_in_place/__init__.py"), "RATE = 3\n")
      assert {:ok, output} = ensure(venv, [source])
      assert output =~ "Installing"
      context = start_context()

      assert Py.eval("import shop_in_place\nshop_in_place.RATE", %{}, context: context) in [
               {:ok, 3},
               # Where contexts share an interpreter, what is imported stays.
               {:ok, 1}
             ]
    end

    test "leaves a folder alone that is no environment", %{tmp_dir: folder} do
      File.write!(Path.join(folder, "thesis.txt"), "ten years of work")
      {{:error, error}, _output} = ensure(folder, ["six"], force: true)
      assert error.reason == :not_a_venv
      assert Exception.message(error) =~ "#{folder} is there already"
      assert File.read!(Path.join(folder, "thesis.txt")) == "ten years of work"
    end

    test "refuses what no requirements can be" do
      for {requirements, text} <- [
            {"no/such/file.txt", "no/such/file.txt is no file"},
            {:six, "not :six"},
            {[:six], "not [:six]"},
            {Path.expand("python/mypy.toml"), "is no file"}
          ] do
        assert {:error, %StartError{reason: :install_failed} = error} =
                 Venv.ensure("/tmp/never", requirements)

        assert Exception.message(error) =~ text
      end

      assert_raise ArgumentError, ~r/is not a value for the option :installer/, fn ->
        Venv.ensure("/tmp/never", [], installer: :conda)
      end
    end

    test "says that uv is missing, and where nothing can be written", %{tmp_dir: folder} do
      path = System.get_env("PATH")
      on_exit(fn -> System.put_env("PATH", path) end)
      System.put_env("PATH", "/nowhere")
      assert {:error, error} = Venv.ensure(Path.join(folder, "venv"), [], installer: :uv)
      assert Exception.message(error) =~ "no `uv` on the PATH"

      assert {:error, error} = Venv.ensure("/proc/venv", [], installer: :pip, quiet: true)
      assert error.reason == :venv_failed
      assert Exception.message(error) =~ "/proc/venv.lock"
    end

    test "by two nodes at once ends with one good environment", %{tmp_dir: folder} do
      venv = Path.join(folder, "venv")
      work = {Venv, :ensure, [venv, ["six==1.17.0", "idna"], [installer: :uv]]}
      nodes = for _ <- 1..2, do: Task.async(fn -> Child.run(work) end)
      answers = Task.await_many(nodes, 120_000)
      assert [{:ok, :ok, first}, {:ok, :ok, second}] = answers

      assert [_one] = Regex.scan(~r/Making the virtual environment/, first <> second)
      assert Venv.activate(venv) == :ok
      assert version("six") == {:ok, "1.17.0"}
      assert {:ok, _version} = version("idna")
    end

    test "that dies in the middle takes its installer along and trips up nobody", %{
      tmp_dir: folder
    } do
      # It works until it should install, and then it has begun and does not come to an end.
      uv = System.find_executable("uv")
      note = Path.join(folder, "pid")
      bin = Path.join(folder, "bin")
      File.mkdir_p!(bin)

      File.write!(Path.join(bin, "uv"), """
      #!/bin/sh
      [ "$1" = venv ] && exec "#{uv}" "$@"
      touch "#{folder}/venv/half"
      echo $$ > "#{note}.new" && mv "#{note}.new" "#{note}"
      exec sleep 600
      """)

      File.chmod!(Path.join(bin, "uv"), 0o755)
      venv = Path.join(folder, "venv")
      path = System.get_env("PATH")
      on_exit(fn -> System.put_env("PATH", path) end)
      System.put_env("PATH", bin <> ":" <> path)
      {ensuring, monitor} = spawn_monitor(fn -> ensure(venv, ["six==1.17.0"]) end)
      assert eventually(fn -> File.exists?(note) end)
      pid = note |> File.read!() |> String.trim()
      System.put_env("PATH", path)

      Process.exit(ensuring, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^ensuring, :killed}
      assert eventually(fn -> gone?(pid) end)
      assert File.exists?(Path.join(venv, "half"))

      {:ok, output} = ensure(venv, ["six==1.17.0"])
      assert output =~ "Making the virtual environment"
      refute File.exists?(Path.join(venv, "half"))
      assert version("six") == {:ok, "1.17.0"}
      assert Path.wildcard(folder <> "/*.erlang_python-old-*") == []
    end

    # Where nobody asks after a dead process, its entry stays.
    defp gone?(pid) do
      case File.read("/proc/#{pid}/stat") do
        {:ok, text} -> text |> String.split() |> Enum.at(2) == "Z"
        {:error, _reason} -> true
      end
    end
  end

  describe "activate" do
    test "lets contexts see the packages: those that are open, and those to come", %{
      tmp_dir: folder
    } do
      venv = Venvs.make(Path.join(folder, "venv"), venv_module: "PLACE = __file__\n")
      elsewhere = Path.join(folder, "elsewhere")
      File.mkdir_p!(elsewhere)
      File.write!(Path.join(Venvs.packages(venv), "elsewhere.pth"), elsewhere <> "\n")
      code = "import sys, venv_module\n(sys.prefix, elsewhere in sys.path, venv_module.PLACE)"
      vars = %{elsewhere: elsewhere}

      before = start_context()

      assert {:error, %Py.Error{type: "ModuleNotFoundError"}} =
               Py.eval(code, vars, context: before)

      assert Venv.activate(venv) == :ok
      later = start_context()
      {:ok, worker} = Py.Context.new(mode: :worker)

      for context <- [before, later, worker, Py.context()] do
        assert {:ok, {^venv, true, place}} = Py.eval(code, vars, context: context)
        assert String.starts_with?(place, Venvs.packages(venv))
      end

      Py.Context.stop(worker)
    end

    test "comes after the standard library, and hides the packages below", %{tmp_dir: folder} do
      venv = Venvs.make(Path.join(folder, "venv"), json: "raise ImportError('ours')\n")
      code = "import sys, site\nsite.getsitepackages([sys.base_prefix])"
      {:ok, below} = Py.eval(code)
      assert Venv.activate(venv) == :ok
      assert Py.call(:json, :dumps, [[1]]) == {:ok, "[1]"}
      {:ok, path} = Py.eval("import sys\nsys.path")
      assert path -- below == path
      assert Enum.any?(path, &(&1 == Venvs.packages(venv)))
    end

    test "another one takes its place", %{tmp_dir: folder} do
      one = Venvs.make(Path.join(folder, "one"), only_in_one: "")
      two = Venvs.make(Path.join(folder, "two"), only_in_two: "")
      :ok = Venv.activate(one)
      assert Venv.activate(two) == :ok
      find = "import importlib.util\nimportlib.util.find_spec(name) is not None"
      assert Py.eval(find, name: "only_in_one") == {:ok, false}
      assert Py.eval(find, name: "only_in_two") == {:ok, true}
      assert Venv.info() == {:ok, %{active: true, venv_path: two}}
    end

    test "refuses an environment of another Python, and what is none", %{tmp_dir: folder} do
      File.write!(Path.join(folder, "pyvenv.cfg"), "home = /usr/bin\nversion = 3.8.10\n")
      assert {:error, %StartError{reason: :venv_mismatch} = error} = Venv.activate(folder)
      assert Exception.message(error) =~ "was made for Python 3.8"
      assert Exception.message(error) =~ Py.Runtime.python().version_string

      {major, minor, patch} = Py.Runtime.python().version
      text = "home = /usr/bin\nversion_info = #{major}.#{minor}.#{patch}.final.0\n"
      File.write!(Path.join(folder, "pyvenv.cfg"), text)
      assert {:error, %StartError{reason: :venv_mismatch} = error} = Venv.activate(folder)
      assert Exception.message(error) =~ "has no folder"

      File.rm!(Path.join(folder, "pyvenv.cfg"))
      assert {:error, %StartError{reason: :not_a_venv} = error} = Venv.activate(folder)
      assert Exception.message(error) =~ "has no pyvenv.cfg"
    end
  end

  test "Erlang has the same, in its own shapes", %{tmp_dir: folder} do
    venv = Path.join(folder, "venv")
    options = [:quiet, {:installer, :uv}]
    assert :py.ensure_venv(to_charlist(venv), [], options) == :ok
    assert :py.venv_info() == {:ok, %{"active" => true, "venv_path" => venv}}
    assert :py.deactivate_venv() == :ok
    assert :py.venv_info() == {:ok, %{"active" => false, "venv_path" => :none}}
    assert :py.activate_venv(venv) == :ok

    requirements = Path.join(folder, "requirements.txt")
    File.write!(requirements, "")
    note = Path.join(venv, "note")
    File.write!(note, "")
    assert :py.ensure_venv(venv, to_charlist(requirements), [:force | options]) == :ok
    refute File.exists?(note)
    File.write!(requirements, "six ==\n")
    assert {:error, {:start_error, text}} = :py.ensure_venv(venv, requirements, options)
    assert text =~ "the packages could not be installed"
  end

  test "deactivate restores exactly what was, in every context", %{tmp_dir: folder} do
    venv = Venvs.make(Path.join(folder, "venv"), [])

    finder =
      "import sys; sys.meta_path.append(type('Finder', (), {'find_spec': lambda *a: None}))"

    # A package of the environment's own, such as setuptools, may bring another one.

    File.write!(Path.join(Venvs.packages(venv), "finder.pth"), finder <> "\n")
    finders = "import sys\n[getattr(finder, '__name__', '') for finder in sys.meta_path]"
    context = start_context()
    places = for c <- [context, Py.context(1)], do: {c, Py.eval!(Venvs.place(), %{}, context: c)}
    before = Py.eval!(finders, %{}, context: context)

    :ok = Venv.activate(venv)
    assert "Finder" in (Py.eval!(finders, %{}, context: context) -- before)
    assert Venv.deactivate() == :ok
    assert Venv.info() == {:ok, %{active: false, venv_path: nil}}
    assert Py.eval!(finders, %{}, context: context) == before

    for {context, place} <- places,
        do: assert(Py.eval!(Venvs.place(), %{}, context: context) == place)

    :ok = Venv.activate(venv)
    Py.exec!("import sys\nsys.path.append('/of/our/own')", context: context)
    assert Venv.deactivate() == :ok
    {_context, [path | _rest]} = hd(places)
    {:ok, now} = Py.eval("import sys\nsys.path", %{}, context: context)
    assert "/of/our/own" in now
    assert Enum.sort(now -- ["/of/our/own"]) == Enum.sort(path)
    # Contexts may share it.
    nil = Py.eval!("import sys\nsys.path[:] = path", %{path: path}, context: context)
  end

  describe "the configuration" do
    setup do
      on_exit(fn ->
        Application.stop(:erlang_python)
        Application.delete_env(:erlang_python, :venv)
        {:ok, _} = Application.ensure_all_started(:erlang_python)
      end)

      :ok = Application.stop(:erlang_python)
    end

    @tag :capture_log
    test "has an environment made and activated before the first context", %{tmp_dir: folder} do
      venv = Path.join(folder, "venv")
      options = [installer: :uv, quiet: true]
      Application.put_env(:erlang_python, :venv, {venv, ["six==1.17.0"], options})
      :ok = Application.start(:erlang_python)
      assert version("six") == {:ok, "1.17.0"}

      Application.stop(:erlang_python)
      Application.delete_env(:erlang_python, :venv)
      :ok = Application.start(:erlang_python)
      assert {:ok, %{active: false}} = Venv.info()
      assert {:ok, prefix} = Py.eval("import sys\nsys.prefix", %{}, pool: :worker)
      assert prefix == Py.Runtime.python().prefix
    end

    @tag :capture_log
    test "that cannot be met keeps the application from starting, and says why" do
      Application.put_env(:erlang_python, :venv, "/no/such/venv")

      assert {:error, {{%StartError{reason: :not_a_venv} = error, []}, _mfa}} =
               Application.start(:erlang_python)

      assert Exception.message(error) =~ "/no/such/venv does not exist"
    end
  end
end
