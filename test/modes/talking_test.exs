defmodule Py.Modes.TalkingTest do
  # Stopping Python and being spoken to by it, in every mode. What each can do in detail is in
  # test/py, for the default one.
  use Py.Case, async: false

  import ExUnit.CaptureIO

  alias Py.{Context, ContextError, Error}

  for %{name: mode, supported: true} <- Py.Mode.all() do
    describe "in mode #{mode}" do
      setup do
        %{context: start_context(mode: unquote(mode))}
      end

      test "a timeout stops code that goes on and on, even what swallows it", %{context: context} do
        timeout = {:error, %ContextError{reason: :timeout}}
        assert Context.exec(context, "while True: pass", timeout: 20) == timeout

        stubborn = """
        for _ in range(3):
            try:
                while True: pass
            except BaseException:
                pass
        """

        assert Context.exec(context, stubborn, timeout: 20) == timeout
        assert Context.exec(context, "import erlang; erlang.sleep(60)", timeout: 20) == timeout
        assert Context.eval(context, "1 + 1") == {:ok, 2}
      end

      test "who comes after an interrupted one is not taken for it", %{context: context} do
        for timeout <- 0..100 do
          Context.exec(context, "for n in range(2000): pass", timeout: rem(timeout, 2))
          assert Py.eval("f()", %{f: fn -> timeout end}, context: context) == {:ok, timeout}
        end
      end

      test "the death of the caller stops its code, wherever it is", %{context: context} do
        codes = ["while True: pass", "import erlang; erlang.sleep(60)", "[wait() for _ in 'ab']"]

        for code <- codes do
          wait = fn -> receive do: (:never -> :ok) end
          caller = spawn(fn -> Py.eval(code, %{wait: wait}, context: context) end)
          assert eventually(fn -> match?({:ok, %{running: true}}, Context.info(context)) end)
          kill(caller)
          assert Context.eval(context, "1 + 1") == {:ok, 2}
        end
      end

      test "an interrupt ends what runs, and its caller hears of it", %{context: context} do
        task = Task.async(fn -> Context.exec(context, "while True: pass") end)
        assert eventually(fn -> match?({:ok, %{running: true}}, Context.info(context)) end)
        assert Context.interrupt(context) == :ok
        assert Task.await(task) == {:error, %ContextError{reason: :interrupted}}
        assert Context.eval(context, "1 + 1") == {:ok, 2}
      end

      test "a function is run by the process that asked", %{context: context} do
        Process.put(:mine, "seen")
        args = fn -> {self(), Process.get(:mine)} end
        assert Py.eval("f()", %{f: args}, context: context) == {:ok, {self(), "seen"}}
        assert Py.eval("f(1, 2)", %{f: &(&1 + &2)}, context: context) == {:ok, 3}
      end

      test "Python and Elixir call each other 200 levels deep", %{context: context} do
        :ok = Context.exec(context, "def down(n, f): return 1 + f(n)")
        assert down(context, 200) == 200
        assert down(context, 3) == 3
      end

      test "an exception crosses both ways", %{context: context} do
        raises = fn -> raise ArgumentError, "from Elixir" end

        caught =
          "try:\n    f()\nexcept erlang.CallbackError as error:\n    text = str(error)\ntext"

        assert {:ok, text} = Py.eval("import erlang\n" <> caught, %{f: raises}, context: context)

        assert text =~ "from Elixir"
        inner = fn -> Py.eval!("1 / 0", %{}, context: context) end
        assert {:error, %Error{} = error} = Py.eval("f()", %{f: inner}, context: context)
        assert error.type == "erlang.CallbackError"
        assert error.cause.type == "ZeroDivisionError"
      end

      test "threads that Python code starts may call back", %{context: context} do
        code = """
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(4) as pool:
            answers = sorted(pool.map(f, range(20)))
        answers
        """

        assert Py.eval(code, %{f: &(&1 * 2)}, context: context) ==
                 {:ok, Enum.map(0..19, &(&1 * 2))}
      end

      test "a context closes while threads of its code wait for the BEAM", %{context: context} do
        code = """
        import erlang, threading
        for wait in (ask, lambda: erlang.sleep(60)):
            threading.Thread(target=wait).start()
        """

        parent = self()

        # Ends after the test, so that it is the closing context which ends the wait.
        ask = fn ->
          monitor = Process.monitor(parent)
          send(parent, :asked)
          receive do: ({:DOWN, ^monitor, _, _, _} -> nil)
        end

        assert Py.eval(code, %{ask: ask}, context: context) == {:ok, nil}
        assert_receive :asked, 5_000
        abandoned = Py.info().abandoned_interpreters
        threads = Py.info().open_contexts
        Context.stop(context)
        assert eventually(fn -> Py.info().open_contexts < threads end)
        assert Py.info().abandoned_interpreters == abandoned
      end

      test "no cancel is lost on code that begins to wait", %{context: context} do
        endless = "import erlang\nwhile True: erlang.sleep(0)"

        for timeout <- 0..60 do
          assert Context.exec(context, endless, timeout: rem(timeout, 4)) ==
                   {:error, %ContextError{reason: :timeout}}

          assert Context.eval(context, "1", %{}, timeout: 10_000) == {:ok, 1}
        end
      end

      test "what is printed comes before the answer", %{context: context} do
        output =
          capture_io(fn ->
            :ok =
              Context.exec(context, "for n in range(3): print('line', n)\nprint('end', end='')")
          end)

        assert output == "line 0\nline 1\nline 2\nend"
      end

      test "Python sends messages to whom it knows", %{context: context} do
        code = "import erlang\nerlang.send(pid, {'n': 1})\nerlang.self() == pid"
        assert Py.eval(code, %{pid: self()}, context: context) == {:ok, true}
        assert_receive %{"n" => 1}
        dead = spawn(fn -> :ok end)
        kill(dead)
        code = "import erlang\nerlang.send(pid, 1)"
        assert {:error, %Error{type: type}} = Py.eval(code, %{pid: dead}, context: context)
        assert type == "erlang.ProcessError"
      end

      test "calls are spawned, awaited and cast in order", %{context: context} do
        :ok = Context.exec(context, "seen = []\ndef see(n):\n    seen.append(n)\n    return n")
        opts = [context: context]
        refs = for n <- 1..10, do: Py.spawn_call(:__main__, :see, [n], opts)
        assert Py.await_many(refs) == for(n <- 1..10, do: {:ok, n})
        for n <- 11..20, do: :ok = Py.cast(:__main__, :see, [n], opts)
        assert Context.eval(context, "seen") == {:ok, Enum.to_list(1..20)}
      end

      test "a stream takes what it needs and closes its generator", %{context: context} do
        code = """
        closed = False
        def count():
            global closed
            try:
                n = 0
                while True:
                    yield n
                    n += 1
            finally:
                closed = True
        """

        :ok = Context.exec(context, code)
        stream = Py.stream(:__main__, :count, [], context: context)
        assert Enum.take(stream, 3) == [0, 1, 2]
        assert Context.eval(context, "closed") == {:ok, true}
      end
    end
  end

  defp down(_context, 0), do: 0

  defp down(context, n) do
    again = fn m -> down(context, m - 1) end
    Py.call!(:__main__, :down, [n, again], context: context)
  end
end
