defmodule Py.Modes.SandboxTest do
  # What Python code is refused in the BEAM's own process, and what goes on all the same.
  use Py.Case, async: false

  @processes "Python starts no child processes inside the BEAM. Use a port"

  # Whatever starts a program or copies the process, and what it is refused as.
  @refused [
    {"os.fork", "os.fork()", "os.fork"},
    {"os.forkpty", "os.forkpty()", "os.forkpty"},
    {"os.execv", "os.execv('/bin/true', ['true'])", "os.exec"},
    {"os.execvpe", "os.execvpe('true', ['true'], {})", "os.exec"},
    {"os.spawnl", "os.spawnl(os.P_WAIT, '/bin/true', 'true')", "os.fork"},
    {"os.spawnvpe", "os.spawnvpe(os.P_NOWAIT, 'true', ['true'], {})", "os.fork"},
    {"os.posix_spawn", "os.posix_spawn('/bin/true', ['true'], {})", "os.posix_spawn"},
    {"os.posix_spawnp", "os.posix_spawnp('true', ['true'], {})", "os.posix_spawn"},
    {"os.system", "os.system('true')", "os.system"},
    {"os.popen", "os.popen('true')", "subprocess.Popen"},
    {"pty.fork", "import pty; pty.fork()", "os.fork"},
    {"pty.spawn", "import pty; pty.spawn('true')", "pty.spawn"},
    {"subprocess.run", "import subprocess; subprocess.run(['true'])", "subprocess.Popen"},
    {"subprocess.Popen", "import subprocess; subprocess.Popen('true', shell=True)",
     "subprocess.Popen"},
    {"fork_exec", "import _posixsubprocess; _posixsubprocess.fork_exec()", "fork_exec"}
  ]

  @asyncio """
  import asyncio
  async def start():
      await asyncio.create_subprocess_exec('true')
  """

  for %{name: mode, supported: true} <- Py.Mode.all() do
    describe "in mode #{mode}" do
      setup do
        %{context: start_context(mode: unquote(mode))}
      end

      for {name, code, event} <- @refused do
        test "#{name} is refused", %{context: context} do
          error = error(context, "import os; " <> unquote(code))

          # Without the module `termios` there is no `pty`.
          unless error.type in ["ImportError", "ModuleNotFoundError"] and
                   error.message =~ "termios" do
            assert error.type == "PermissionError"
            assert error.message =~ "[Errno 1] #{unquote(event)} is blocked: #{@processes}"
            assert error.message =~ "Py.register_function"
          end
        end
      end

      test "asyncio starts no processes, in whichever loop", %{context: context} do
        assert %{type: "PermissionError"} = error(context, @asyncio <> "asyncio.run(start())")
        error = error(context, "import erlang\n" <> @asyncio <> "erlang.run(start())")
        assert error.type == "NotImplementedError"
        assert error.message =~ "use a port"
      end

      test "multiprocessing starts no processes, by whichever method", %{context: context} do
        code = """
        import multiprocessing
        process = multiprocessing.get_context(method).Process(target=print)
        process.start()
        """

        for method <- ~w(fork spawn forkserver) do
          assert {:error, %Py.Error{type: type}} =
                   Py.exec("method = '#{method}'\n" <> code, context: context)

          # In a mode where ctypes is refused, so is part of multiprocessing.
          assert type in ["PermissionError", "ImportError"]
        end
      end

      test "a refused child leaves no descriptors open", %{context: context} do
        code = """
        import os, subprocess
        try:
            subprocess.run(['true'], capture_output=True)
        except PermissionError as error:
            assert error.errno == 1
        """

        :ok = Py.exec(code, context: context)
        before = descriptors()
        for _ <- 1..20, do: :ok = Py.exec(code, context: context)
        assert descriptors() <= before
      end

      test "the BEAM is not ended", %{context: context} do
        for code <- ["os._exit(0)", "os.abort()"] do
          error = error(context, "import os; " <> code)
          assert error.type == "PermissionError"
          assert error.message =~ "is blocked: it would end the BEAM"
        end
      end

      test "signals are left to the BEAM", %{context: context} do
        error = error(context, "import signal; signal.signal(signal.SIGTERM, print)")
        # What Python raises outside of its main thread, too.
        assert error.type == "ValueError"
        assert error.message =~ "the signals of this operating system process belong to the BEAM"
        assert error.message =~ "System.trap_signal/3"

        for code <- ["alarm(1)", "setitimer(signal.ITIMER_REAL, 1)"] do
          error = error(context, "import signal; signal." <> code)
          assert error.type == "PermissionError"
          assert error.message =~ "Process.send_after/3"
        end

        # Its handler was not set by Python, which is what None stands for.
        code = "import signal; (signal.getsignal(15), signal.SIGTERM.name)"
        assert Py.eval(code, %{}, context: context) == {:ok, {nil, "SIGTERM"}}
      end

      test "Python cannot switch it off", %{context: context} do
        code = """
        import importlib, sys
        modules, audit = dict(sys.modules), sys.audit
        def refused(function, *args):
            try:
                function(*args)
            except PermissionError:
                return True
        try:
            sys.audit = lambda *_: None
            for name in ('posix', 'os', '_posixsubprocess', 'subprocess', '_signal', 'signal'):
                sys.modules.pop(name, None)
            import os, subprocess, _posixsubprocess
            importlib.reload(os)
            answers = [
                refused(os.fork), refused(os.system, 'true'), refused(os._exit, 0),
                refused(subprocess.run, ['true']), refused(_posixsubprocess.fork_exec),
            ]
        finally:
            sys.modules.update(modules)
            sys.audit = audit
        answers
        """

        assert Py.eval(code, %{}, context: context) == {:ok, List.duplicate(true, 5)}
      end

      test "shared libraries are found without a program", %{context: context} do
        code = """
        try:
            from ctypes.util import find_library
        except ImportError:
            find_library = None
        find_library and (find_library('c'), find_library('no_such_library'))
        """

        if :os.type() == {:unix, :linux} and File.exists?("/etc/ld.so.cache") do
          assert {:ok, found} = Py.eval(code, %{}, context: context)
          # 3.12 has no ctypes in interpreters with a GIL of their own.
          assert found in [nil, {"libc.so.6", nil}]
        end
      end

      test "what merely tries a program does without", %{context: context} do
        code = """
        import multiprocessing, platform, threading, uuid, webbrowser
        platform.uname(), platform.processor(), platform.platform(), platform.libc_ver()
        seen = []
        thread = threading.Thread(target=lambda: seen.append(1))
        thread.start()
        thread.join()
        lock = multiprocessing.get_context('fork').Lock()
        with lock:
            seen.append(2)
        (seen, uuid.getnode() > 0, webbrowser.open('http://localhost'))
        """

        assert Py.eval(code, %{}, context: context) == {:ok, {[1, 2], true, false}}
      end
    end
  end

  describe "a program in a port" do
    test "is run by a registered function" do
      :ok = :py.register_function(:run_command, fn [command, args] -> run(command, args) end)
      on_exit(fn -> Py.unregister_function(:run_command) end)

      code = """
      from erlang import run_command
      status, output = run_command("/bin/ls", ["-la", "/"])
      status, output
      """

      assert {:ok, {0, output}} = :py.eval(code)
      assert output =~ "tmp"

      assert {:ok, {7, "out\n"}} =
               Py.eval("import erlang\nerlang.run_command(*command)", %{
                 command: ["/bin/sh", ["-c", "echo out >&2; exit 7"]]
               })
    end

    defp run(command, args) do
      options = [:binary, :exit_status, :stderr_to_stdout, args: args]
      collect(Port.open({:spawn_executable, String.to_charlist(command)}, options), [])
    end

    defp collect(port, output) do
      receive do
        {^port, {:data, data}} -> collect(port, [output | data])
        {^port, {:exit_status, status}} -> {status, IO.iodata_to_binary(output)}
      end
    end
  end

  defp error(context, code) do
    assert {:error, %Py.Error{} = error} = Py.exec(code, context: context)
    error
  end
end
