defmodule MistakesTest do
  # What is said to those who got something wrong: each says what to do.
  use Py.Case, async: true

  alias Py.{Child, Context, Object, Router}

  defp told(fun), do: Exception.message(assert_raise(ArgumentError, fun))
  defp said({:error, error}), do: Exception.message(error)

  describe "an argument of the wrong shape" do
    test "shows the list that was meant" do
      for verb <- [
            fn -> Py.call(:math, :sqrt, 16) end,
            fn -> Py.call!(:math, :sqrt, 16) end,
            fn -> Py.call(:math, :sqrt, 16, timeout: 5) end,
            fn -> Py.spawn_call(:math, :sqrt, 16) end,
            fn -> Py.cast(:math, :sqrt, 16) end,
            fn -> Py.stream(:builtins, :range, 16) end,
            fn -> Py.stream_start(:builtins, :range, 16) end,
            fn -> Py.parallel([{:math, :sqrt, 16}]) end,
            fn -> Context.call(self(), :math, :sqrt, 16) end,
            fn -> :py.call("math", :sqrt, 16) end
          ] do
        assert told(verb) == "the arguments of a Python function are a list, as in [16], not 16"
      end

      object = Py.call!(:collections, :deque)

      for verb <- [
            fn -> Object.call_method(object, :pop, 1) end,
            fn -> Object.call(object, 1) end
          ],
          do: assert(told(verb) =~ "are a list, as in [16], not 1")
    end

    test "shows the string that was meant" do
      for verb <- [
            &Py.eval/1,
            &Py.exec/1,
            &Py.stream_eval/1,
            &Py.eval(&1, %{}, timeout: 5),
            &Context.exec(self(), &1)
          ] do
        assert told(fn -> verb.(:x) end) ==
                 "Python code is a string, as in \"1 + 1\", not :x"

        assert told(fn -> verb.(~c"1") end) =~ "in double quotes"
      end
    end

    test "shows the tuples, functions and objects that were meant" do
      assert told(fn -> Py.parallel(:x) end) =~ "a list of {module, function, args}"
      assert told(fn -> Py.parallel([{:math, :sqrt}]) end) =~ "not [math: :sqrt]"
      assert told(fn -> Py.register_function(:f, 3) end) =~ "fn a, b -> a + b end, or a module"
      assert told(fn -> Py.register_function(:f, "m", :f) end) =~ "not {\"m\", :f}"
      assert told(fn -> Py.with(3, & &1) end) =~ "only a Py.Object can be asked that"
      assert told(fn -> Object.getattr(3, :x) end) =~ "return: :object answers with, not 3"
      assert told(fn -> Object.len(nil) end) =~ "only a Py.Object"
      object = Py.call!(:threading, :Lock)
      assert told(fn -> Py.with(object, fn -> 1 end) end) =~ "a function of one argument"
      assert told(fn -> Py.bytes(3) end) =~ "bytes are a binary"
      assert told(fn -> Py.buffer(3) end) =~ "bytes are a binary"
    end

    test "shows what names there are" do
      assert said(Py.call(1, :sqrt, [16])) =~ "1 is no name: atoms and strings are"
      assert said(Py.call(:math, 1, [16])) =~ "1 is no name: atoms and strings are"
      assert told(fn -> Context.info(3) end) =~ "a context is a pid or a registered name, not 3"
      assert told(fn -> Context.interrupt("x") end) =~ "a context is a pid"

      assert told(fn -> Py.eval("1", %{}, context: "x") end) =~
               "not a value for the option :context"
    end

    test "shows what options there are" do
      assert told(fn -> Py.call(:math, :sqrt, [16], 5_000) end) =~
               "the options of call are a keyword list, not 5000"

      assert told(fn -> Py.eval("1", %{}, timout: 5) end) =~
               ":timout is not an option of eval, which knows :context, :pool, :timeout"

      assert told(fn -> Context.start_link(:auto) end) =~ "are a keyword list, not :auto"
      assert told(fn -> Py.start_contexts(contexts: 0) end) =~ "0 is not a value for the option"
    end

    test "shows what a pool is" do
      assert told(fn -> Router.start_pool(:io, 0) end) =~ "at least 1, not 0"
      assert told(fn -> Router.start_pool("io", 1) end) =~ "an atom, as in :io, not \"io\""
      assert told(fn -> Router.resize_pool(:default, 0) end) =~ "at least 1, not 0"
      assert told(fn -> Router.start_link(size: 1) end) =~ "{Py.Router, name: :io, size: 10}"
      assert told(fn -> Router.child_spec(:io) end) =~ "a pool needs a name"
      assert told(fn -> Router.register_pool(:worker, 3) end) =~ "a registration is a module"
    end
  end

  describe "what is not there" do
    test "is a context that has ended" do
      context = start_context()
      Context.stop(context)
      text = "the context is closed; if a supervisor has replaced it, the new one has another pid"
      assert said(Context.eval(context, "1")) =~ text
      assert said(Context.info(context)) =~ text
    end

    test "is a context of that name or place" do
      assert said(Py.eval("1", %{}, context: :nobody)) =~
               "the application :erlang_python is started"

      assert said(Py.eval("1", %{}, context: 4_000)) =~ "there is no such context"
    end

    test "is a pool of that name" do
      text = ~r/there is no pool :nobody, only .*:default.*; Py.Router.start_pool\/3 starts one/
      assert said(Py.call(:math, :sqrt, [16], pool: :nobody)) =~ text
      assert said(Router.resize_pool(:nobody, 2)) =~ text
      assert said(Router.register_pool(:nobody, :math)) =~ text
    end

    test "is a mode of that name" do
      for result <- [Context.start_link(mode: :warp), Router.start_link(name: :io, mode: :warp)] do
        assert said(result) =~ "there is no mode :warp, only :auto, "
        assert said(result) =~ "mode: :auto` always picks one that works"
      end
    end
  end

  describe "a Python" do
    @describetag :tmp_dir

    # What is said when the library starts with a command that answers its questions like this, in
    # a BEAM of its own, as this one has its Python.
    defp started_with(folder, facts) do
      path = Path.join(folder, "python3")
      python = Py.Runtime.python()

      facts =
        Map.merge(
          %{
            implementation: "cpython",
            version: python.version |> Tuple.to_list() |> Enum.join("."),
            version_string: python.version_string,
            abiflags: "",
            free_threaded: "",
            executable: path,
            prefix: python.prefix,
            base_prefix: python.prefix,
            libpython: python.libpython
          },
          facts
        )

      lines = for {key, value} <- facts, do: "erlang_python:#{key}=#{value}\n"
      File.write!(path, "#!/bin/sh\ncat <<'END'\n#{lines}END\n")
      File.chmod!(path, 0o755)
      start(path)
    end

    defp start(path) do
      options = [config: [python: path], start: false]
      assert {:ok, text, _output} = Child.run({Py.Case.Starting, :start, []}, options)
      text
    end

    test "that is not there is told of, with how to name one", %{tmp_dir: folder} do
      text = start(Path.join(folder, "nowhere/python3"))
      assert text =~ "no usable Python was found"
      assert text =~ "nowhere/python3"
      assert text =~ "config :erlang_python, python: \"3.13\""
      assert text =~ "mix py.doctor"
    end

    test "of a version that is not supported is told of", %{tmp_dir: folder} do
      text = started_with(folder, %{version: "3.8.19", version_string: "3.8.19"})
      assert text =~ "this version of Python is not supported"
      assert text =~ "3.8.19"
      assert text =~ "Choose CPython 3.9 to 3.14"
    end

    test "without a library is told how to get one", %{tmp_dir: folder} do
      text = started_with(folder, %{libpython: ""})
      assert text =~ "no shared library (libpython)"
      assert text =~ "PYTHON_CONFIGURE_OPTS=--enable-shared"
      assert text =~ "apt-get install libpython3-dev"
    end

    test "that the native code was not built for is told of", %{tmp_dir: folder} do
      text = started_with(folder, %{abiflags: "d"})
      assert text =~ "the native code has not been built for this Python"
      assert text =~ ~r/py_nif-cp\d+d.so does not exist/
      assert text =~ "`mix compile` builds it for the Python in use"
    end

    test "whose library is none is told of", %{tmp_dir: folder} do
      library = Path.join(folder, "libpython3.so")
      File.write!(library, "no library")
      text = started_with(folder, %{libpython: library})
      assert text =~ "libpython could not be loaded"
      assert text =~ "choose another Python with ERLANG_PYTHON"
    end
  end

  test "without the application there is no Python, and the error says how to get it" do
    assert {:ok, text, _output} = Child.run({Py.Case.Starting, :not_at_all, []}, start: false)
    assert text =~ "Python has not been started in this VM"
    assert text =~ "Application.ensure_all_started(:erlang_python)"
  end
end
