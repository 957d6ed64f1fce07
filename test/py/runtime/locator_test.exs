defmodule Py.Runtime.LocatorTest do
  use ExUnit.Case, async: true

  alias Py.Runtime.Locator
  alias Py.StartError

  doctest Locator
  doctest StartError

  @moduletag :tmp_dir

  # An environment in which nothing is found but what the test puts there.
  defp empty(tmp_dir, more \\ %{}) do
    Map.merge(%{"HOME" => tmp_dir, "PATH" => Path.join(tmp_dir, "bin")}, more)
  end

  defp script(path, body) do
    File.mkdir_p!(Path.dirname(path))
    File.write!(path, "#!/bin/sh\n" <> body)
    File.chmod!(path, 0o755)
    path
  end

  # A command that stands for a real interpreter, as a version manager's does.
  defp stand_in(path, python \\ any()), do: script(path, ~s(exec "#{python.executable}" "$@"\n))

  # A command that answers the locator's questions with these facts.
  defp fake(path, facts) do
    facts =
      Map.merge(
        %{
          implementation: "cpython",
          version: "3.12.9",
          version_string: "3.12.9",
          abiflags: "",
          free_threaded: "",
          executable: path,
          prefix: "/opt/python",
          base_prefix: "/opt/python",
          libpython: "/opt/python/lib/libpython.so"
        },
        facts
      )

    lines = for {key, value} <- facts, do: "erlang_python:#{key}=#{value}\n"
    script(path, "cat <<'END'\n#{lines}END\n")
  end

  defp any, do: hd(Locator.all())

  defp ask(python, expression) do
    {answer, 0} = System.cmd(python.executable, ["-c", "import sys; print(#{expression})"])
    String.trim(answer)
  end

  describe "what is found" do
    test "is described by the facts the interpreter itself gives" do
      assert {:ok, python} = Locator.locate(python: nil)

      assert python.version_string == ask(python, "sys.version.split()[0]")
      assert python.prefix == ask(python, "sys.prefix")
      assert python.base_prefix == ask(python, "sys.base_prefix")
      assert python.tag == "cp" <> ask(python, "'%d%d' % sys.version_info[:2] + sys.abiflags")
      assert Path.type(python.executable) == :absolute
      assert File.regular?(python.libpython)
    end

    test "comes newest first, each interpreter once" do
      all = Locator.all()

      assert all != []
      assert all == Enum.uniq_by(all, &{&1.libpython, &1.prefix})
      ordinary = for python <- all, not python.free_threaded, do: python.version
      assert ordinary == Enum.sort(ordinary, :desc)
    end

    test "can be chosen by version or by path, each of them" do
      all = Locator.all()

      for python <- all, choice <- choices(python, all) do
        assert {:ok, found} = Locator.locate(python: choice)
        assert found.tag == python.tag
        assert found.source == {:config, choice}
      end
    end

    # The directory of the installation is a choice where it holds no other Python, as /usr may.
    defp choices(%{version: {major, minor, _patch}} = python, all) do
      suffix = if python.free_threaded, do: "t", else: ""
      alone = Enum.count(all, &(&1.prefix == python.prefix)) == 1

      ["#{major}.#{minor}#{suffix}", python.executable] ++
        if(alone, do: [python.prefix], else: [])
    end

    test "is the newest one without a choice", %{tmp_dir: tmp_dir} do
      versions = Path.join(tmp_dir, "pyenv/versions")
      fake("#{versions}/3.9.25/bin/python3", %{version: "3.9.25"})
      fake("#{versions}/3.10.2/bin/python3", %{version: "3.10.2", prefix: "/another"})
      env = empty(tmp_dir, %{"PYENV_ROOT" => Path.join(tmp_dir, "pyenv")})

      assert {:ok, %{version: {3, 10, 2}, source: :pyenv}} = Locator.locate(python: nil, env: env)
      assert [{3, 10, 2}, {3, 9, 25}] = Enum.map(Locator.all(env: env), & &1.version)
    end

    test "is a free-threaded build only when there is no other", %{tmp_dir: tmp_dir} do
      free = fake("#{tmp_dir}/bin/python3.14t", %{version: "3.14.1", free_threaded: "1"})
      assert {:ok, %{free_threaded: true}} = Locator.locate(python: nil, env: empty(tmp_dir))

      fake("#{tmp_dir}/bin/python3.9", %{version: "3.9.1"})
      assert {:ok, %{version: {3, 9, 1}}} = Locator.locate(python: nil, env: empty(tmp_dir))

      assert {:ok, %{executable: ^free}} = Locator.locate(python: "3.14t", env: empty(tmp_dir))
    end
  end

  describe "the order of sources" do
    test "is configuration, ERLANG_PYTHON, active virtual environment", %{tmp_dir: tmp_dir} do
      configured = stand_in(Path.join(tmp_dir, "configured"))
      named = stand_in(Path.join(tmp_dir, "named"))
      stand_in(Path.join(tmp_dir, "venv/bin/python3"))
      venv = Path.join(tmp_dir, "venv")
      env = %{"ERLANG_PYTHON" => named, "VIRTUAL_ENV" => venv}

      assert source(configured, env) == {:config, configured}
      assert source(nil, env) == {:env, named}
      assert source(nil, %{env | "ERLANG_PYTHON" => ""}) == {:venv, venv}
    end

    defp source(python, env) do
      {:ok, python} = Locator.locate(python: python, env: env)
      assert Locator.why(python) =~ ~r/=|config/
      python.source
    end

    test "takes the interpreters of all the usual places together", %{tmp_dir: tmp_dir} do
      fake("#{tmp_dir}/uv/cpython-3.12.4-linux-x86_64-gnu/bin/python3", %{version: "3.12.4"})
      fake("#{tmp_dir}/.pyenv/versions/3.11.9/bin/python3", %{version: "3.11.9", prefix: "/b"})
      fake("#{tmp_dir}/bin/python3.13", %{version: "3.13.1", prefix: "/c"})
      built = "#{tmp_dir}/.cache/erlang_python/pythons/3.10"
      fake("#{built}/bin/python3", %{version: "3.10.8", prefix: built})
      env = empty(tmp_dir, %{"UV_PYTHON_INSTALL_DIR" => Path.join(tmp_dir, "uv")})

      assert [path: {3, 13, 1}, uv: {3, 12, 4}, pyenv: {3, 11, 9}, built: {3, 10, 8}] =
               Enum.map(Locator.all(env: env), &{&1.source, &1.version})
    end

    test "asks uv when nothing else is found", %{tmp_dir: tmp_dir} do
      managed = stand_in(Path.join(tmp_dir, "somewhere/python3"))
      script(Path.join(tmp_dir, "bin/uv"), ~s([ "$1 $2" = "python find" ] && echo "#{managed}"\n))

      assert {:ok, %{source: :uv}} = Locator.locate(python: nil, env: empty(tmp_dir))
    end
  end

  describe "a virtual environment" do
    test "keeps its own prefix and takes the library of the Python below", %{tmp_dir: tmp_dir} do
      base = any()
      venv = Path.join(tmp_dir, "venv")
      {_, 0} = System.cmd(base.executable, ["-m", "venv", "--without-pip", venv])

      assert {:ok, python} = Locator.locate(python: nil, env: %{"VIRTUAL_ENV" => venv})
      assert python.prefix == venv
      assert python.base_prefix == base.base_prefix
      assert python.libpython == base.libpython
    end

    test "that is gone is an error, not a reason to take another Python", %{tmp_dir: tmp_dir} do
      env = Map.put(System.get_env(), "VIRTUAL_ENV", Path.join(tmp_dir, "gone"))

      assert {:error, %StartError{reason: :python_not_found}} =
               Locator.locate(python: nil, env: Map.delete(env, "ERLANG_PYTHON"))
    end
  end

  describe "a candidate that refuses to run" do
    test "is passed over for the next one", %{tmp_dir: tmp_dir} do
      script(Path.join(tmp_dir, "bin/python3.14"), "echo 'command not found' >&2; exit 127\n")
      fake("#{tmp_dir}/bin/python3.10", %{version: "3.10.1"})

      assert {:ok, %{version: {3, 10, 1}}} = Locator.locate(python: nil, env: empty(tmp_dir))
    end

    test "is not even tried when it is one of pyenv's shims", %{tmp_dir: tmp_dir} do
      shims = Path.join(tmp_dir, ".pyenv/shims")
      script(Path.join(shims, "python3"), "touch #{tmp_dir}/tried\n")

      assert {:error, %StartError{reason: :python_not_found}} =
               Locator.locate(python: nil, env: empty(tmp_dir, %{"PATH" => shims}))

      refute File.exists?(Path.join(tmp_dir, "tried"))
    end

    test "says what it printed when it was the choice", %{tmp_dir: tmp_dir} do
      path =
        script(Path.join(tmp_dir, "python3"), "echo 'pyenv: no such version' >&2; exit 127\n")

      assert {:error, %StartError{reason: :python_not_found, details: details}} =
               Locator.locate(python: path)

      assert details =~ path
      assert details =~ "status 127"
      assert details =~ "pyenv: no such version"
    end
  end

  describe "a choice that cannot be used" do
    test "is reported when it does not exist, and not replaced" do
      for choice <- ["/no/such/python3", "no-such-python"] do
        assert {:error, %StartError{reason: :python_not_found} = error} =
                 Locator.locate(python: choice)

        assert error.details =~ choice
        assert Exception.message(error) =~ "ERLANG_PYTHON"
      end
    end

    test "is reported when it is not executable or not Python", %{tmp_dir: tmp_dir} do
      text = Path.join(tmp_dir, "python3")
      File.write!(text, "no program")
      assert {:error, %{reason: :python_not_found}} = Locator.locate(python: text)

      other = script(Path.join(tmp_dir, "other"), "echo hello\n")
      assert {:error, %{reason: :python_not_found} = error} = Locator.locate(python: other)
      assert error.details =~ "hello"
    end

    test "is reported when its version is not supported", %{tmp_dir: tmp_dir} do
      for version <- ["2.7.18", "3.8.20", "3.15.0"] do
        path = fake("#{tmp_dir}/#{version}", %{version: version, version_string: version})
        short = version |> String.split(".") |> Enum.take(2) |> Enum.join(".")

        for choice <- [path, version, short] do
          assert {:error, %StartError{reason: :unsupported_version} = error} =
                   Locator.locate(python: choice)

          assert error.details =~ short
        end
      end
    end

    test "is reported when it is not CPython", %{tmp_dir: tmp_dir} do
      path = fake("#{tmp_dir}/pypy3", %{implementation: "pypy"})

      assert {:error, %StartError{reason: :unsupported_implementation} = error} =
               Locator.locate(python: path)

      assert error.details =~ "pypy"
    end

    test "is reported when it is no string" do
      assert {:error, %StartError{details: details}} = Locator.locate(python: 3.13)
      assert details =~ "3.13"
    end

    test "is reported when no interpreter has that version", %{tmp_dir: tmp_dir} do
      fake("#{tmp_dir}/bin/python3.12", %{})

      assert {:error, %StartError{reason: :python_not_found, details: details}} =
               Locator.locate(python: "3.12.1", env: empty(tmp_dir))

      assert details =~ "3.12.1"
      assert details =~ "PATH"
    end
  end

  describe "an interpreter without a shared library" do
    test "is an error that says how to get one", %{tmp_dir: tmp_dir} do
      path = fake("#{tmp_dir}/bin/python3.12", %{libpython: ""})

      for choice <- [path, "3.12", nil] do
        assert {:error, %StartError{reason: :no_shared_library} = error} =
                 Locator.locate(python: choice, env: empty(tmp_dir))

        assert error.details =~ path

        for way <- ["apt-get install libpython3", "--enable-shared", "uv python install"] do
          assert Exception.message(error) =~ way
        end
      end
    end

    test "is no answer to a question for another version", %{tmp_dir: tmp_dir} do
      fake("#{tmp_dir}/bin/python3", %{version: "3.11.2", libpython: ""})

      assert {:error, %StartError{reason: :python_not_found, details: details}} =
               Locator.locate(python: "3.14", env: empty(tmp_dir))

      assert details =~ "3.14"
    end

    test "is passed over when nobody asked for it", %{tmp_dir: tmp_dir} do
      fake("#{tmp_dir}/bin/python3.13", %{version: "3.13.0", libpython: ""})
      fake("#{tmp_dir}/bin/python3.12", %{version: "3.12.0"})

      assert {:ok, %{version: {3, 12, 0}}} = Locator.locate(python: nil, env: empty(tmp_dir))
    end
  end

  test "what else an interpreter prints does not matter", %{tmp_dir: tmp_dir} do
    path = stand_in(Path.join(tmp_dir, "python3"))
    File.write!(path, String.replace(File.read!(path), "exec", "echo hello; echo a=b; exec"))

    assert {:ok, _python} = Locator.locate(python: path)
  end

  test "paths may have spaces and accents in them", %{tmp_dir: tmp_dir} do
    path = fake("#{tmp_dir}/an élan of/python3", %{})

    assert {:ok, %{executable: ^path}} = Locator.locate(python: path)
  end

  test "the messages name the versions that are supported" do
    {{3, oldest}, {3, newest}} = Locator.supported()

    for reason <- [:python_not_found, :unsupported_version, :unsupported_implementation] do
      assert Exception.message(%StartError{reason: reason}) =~ "3.#{oldest} to 3.#{newest}"
    end
  end
end
