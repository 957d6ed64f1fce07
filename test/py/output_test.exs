defmodule Py.OutputTest do
  # What is logged and written to standard error is everyone's.
  use Py.Case, async: false

  import ExUnit.CaptureIO

  alias Py.Case.Records
  alias Py.Context

  describe "print" do
    test "reaches the group leader of the caller, as a test sees it" do
      assert capture_io(fn -> Py.eval("print('hello', 'there')") end) == "hello there\n"
      assert capture_io(fn -> Py.exec("import sys\nsys.stdout.write('a')") end) == "a"
      assert capture_io(fn -> Py.call(:builtins, :print, [1], kwargs: [end: ""]) end) == "1"
    end

    test "keeps everything that is printed, in order" do
      text = capture_io(fn -> Py.exec("for n in range(10_000): print(n)") end)
      assert text == Enum.map_join(0..9_999, &"#{&1}\n")
    end

    test "is not cut at NUL, and knows all characters" do
      assert capture_io(fn -> Py.eval("print('a\\0b')") end) == "a\0b\n"
      assert capture_io(fn -> Py.eval("print('añ漢🐍')") end) == "añ漢🐍\n"
      long = String.duplicate("x", 200_000)
      assert capture_io(fn -> Py.eval("print(long)", %{long: long}) end) == long <> "\n"
    end

    test "escapes the halves of characters, and takes nothing but text" do
      assert capture_io(fn -> Py.exec("print('a\\ud800b')") end) == "a\\ud800b\n"
      assert {:error, error} = Py.exec("import sys\nsys.stdout.write(b'a')")
      assert %Py.Error{type: "TypeError", message: message} = error
      assert message =~ "must be str, not bytes"
    end

    test "shows bytes that are no text as such" do
      code = "import sys\nsys.stdout.buffer.write(b'a\\xffb\\n')"
      assert capture_io(fn -> Py.exec(code) end) == "a\uFFFDb\n"
    end

    test "has come out when the call returns, and before its callbacks" do
      fun = fn -> IO.write("two ") end
      code = "print('one', end=' ')\nfun()\nprint('three')"
      assert capture_io(fn -> Py.eval(code, %{fun: fun}) end) == "one two three\n"
    end

    test "of what is released with a result comes before the answer" do
      code = """
      class Parting(dict):
          def __del__(self): print("gone", end="")
      [1, Parting(a=1)]
      """

      text =
        capture_io(fn ->
          assert Py.eval(code) == {:ok, [1, %{"a" => 1}]}
          IO.write(" before")
        end)

      assert text == "gone before"
    end

    test "of spawned calls reaches the caller's group leader too" do
      text =
        capture_io(fn ->
          {:ok, nil} = Py.await(Py.spawn_call(:builtins, :print, ["spawned"]))
        end)

      assert text == "spawned\n"
    end

    test "of Python threads comes with the call that waits for them" do
      code = """
      import threading
      threads = [threading.Thread(target=print, args=("line",)) for _ in range(8)]
      for thread in threads: thread.start()
      for thread in threads: thread.join()
      """

      text = capture_io(fn -> Py.exec(code) end)
      assert text == String.duplicate("line\n", 8)
    end

    test "of Python threads comes in whole lines" do
      code = """
      import threading
      def lines(name):
          for n in range(500): print(name, n, "of", 500)
      threads = [threading.Thread(target=lines, args=(name,)) for name in "abcd"]
      for thread in threads: thread.start()
      for thread in threads: thread.join()
      """

      lines = capture_io(fn -> :ok = Py.exec(code) end) |> String.split("\n", trim: true)

      assert Enum.sort(lines) ==
               Enum.sort(for a <- ~w(a b c d), n <- 0..499, do: "#{a} #{n} of 500")
    end

    test "of Python threads is all there when the call returns, with an end of line or without" do
      code = """
      import threading
      def speak():
          print("no end", end="")
      thread = threading.Thread(target=speak)
      thread.start()
      thread.join()
      """

      assert capture_io(fn -> :ok = Py.exec(code) end) == "no end"
      call = fn -> {:ok, nil} = Py.await(Py.spawn_call(:builtins, :exec, [code, %{}])) end
      assert capture_io(call) == "no end"
    end

    test "of Python threads comes before what they call, and when they flush" do
      code = """
      import erlang, threading
      def speak():
          print("one", end=" ")
          fun()
          print("three", end=" ", flush=True)
          erlang.send(test, "flushed")
          fun()
      thread = threading.Thread(target=speak)
      thread.start()
      thread.join()
      """

      fun = fn -> IO.write("two ") end
      text = capture_io(fn -> Py.eval(code, %{fun: fun, test: self()}) end)
      assert text == "one two three two "
      assert_received "flushed"
    end

    test "of a Python thread waits for a device that has a lot of it left to write" do
      code = """
      import erlang, threading
      def speak():
          for n in range(64): print("x" * 65_535)
          erlang.send(test, "printed")
      thread = threading.Thread(target=speak)
      thread.start()
      thread.join()
      """

      test = self()
      device = spawn_link(__MODULE__, :hesitant_device, [test])

      caller =
        Task.async(fn ->
          Process.group_leader(self(), device)
          Py.eval(code, %{test: test})
        end)

      assert_receive {:writing, ^device}, 10_000
      # For a second Python would wait; all 4 MiB take it a few milliseconds.
      refute_receive "printed", 300
      send(device, :go_on)
      assert_receive "printed", 10_000
      assert Task.await(caller, 10_000) == {:ok, nil}
      send(device, :how_much)
      assert_receive {:written, 4_194_304}, 10_000
    end

    # Answers to what is written first when it is told to.
    def hesitant_device(test, written \\ 0) do
      receive do
        {:io_request, from, request, {:put_chars, :unicode, text}} ->
          if written == 0 do
            send(test, {:writing, self()})
            receive do: (:go_on -> :ok)
          end

          send(from, {:io_reply, request, :ok})
          hesitant_device(test, written + byte_size(text))

        :how_much ->
          send(test, {:written, written})
      end
    end

    test "that never ends does not keep the time from running out" do
      code = "while True: print('again')"
      text = capture_io(fn -> send(self(), Py.exec(code, timeout: 50)) end)
      assert_received {:error, %Py.ContextError{reason: :timeout}}
      assert text =~ "again"
      assert Process.info(self(), :messages) == {:messages, []}
    end
  end

  describe "standard error" do
    test "has what Python writes there, warnings included" do
      code = "import sys, warnings\nprint('oops', file=sys.stderr)\nwarnings.warn('careful')"
      text = capture_io(:stderr, fn -> Py.exec(code) end)
      assert text =~ "oops\n"
      assert text =~ "UserWarning: careful"
    end
  end

  describe "logging" do
    test "reaches Logger with level, module, function, file and line" do
      Records.start()

      :ok =
        Py.exec("""
        import logging
        def act():
            logging.getLogger("shop.orders").warning("%s is low", "stock")
        act()
        """)

      {_text, metadata} = Records.logged!(:warning, "stock is low")
      assert %{py_logger: "shop.orders", function: "act", line: 3, file: "<exec>"} = metadata
    end

    test "keeps its place in what is printed, even to a slow device" do
      Records.start()
      device = spawn_link(__MODULE__, :slow_device, [self()])

      code = """
      import erlang, logging
      for n in range(3):
          print("print", n)
          print("and", n)
          logging.warning("log %d", n)
      erlang.send(device, "all said")
      n
      """

      task =
        Task.async(fn ->
          Process.group_leader(self(), device)
          Py.eval(code, %{device: device})
        end)

      assert Task.await(task, 20_000) == {:ok, 2}
      assert said() == Enum.map_join(0..2, &"print #{&1}\nand #{&1}\nlog #{&1}\n")
    end

    # Answers to what is written first when Python has said all it has to say.
    def slow_device(test) do
      first = written(test)
      receive do: ("all said" -> :ok)
      reply(first)
      quick_device(test)
    end

    defp quick_device(test) do
      reply(written(test))
      quick_device(test)
    end

    defp written(test) do
      receive do
        {:io_request, from, request, {:put_chars, :unicode, text}} ->
          send(test, {:written, text})
          {from, request}
      end
    end

    defp reply({from, request}), do: send(from, {:io_reply, request, :ok})

    defp said do
      receive do
        {:written, text} -> text <> said()
        {:logged, :warning, "log " <> _ = text, _metadata} -> text <> "\n" <> said()
      after
        0 -> ""
      end
    end

    test "has the metadata of the process that called" do
      Records.start()
      Logger.metadata(request_id: "r2")
      :ok = Py.exec("import logging\nlogging.getLogger().error('failed')")
      assert_receive {:logged, :error, "failed", %{request_id: "r2"}}, 5_000
    end

    test "has the traceback of an exception" do
      Records.start()

      code =
        "import logging\ntry:\n    1 / 0\nexcept ArithmeticError:\n    logging.exception('sum')"

      :ok = Py.exec(code)
      assert Records.logged!(:error, "ZeroDivisionError: division by zero")
    end

    test "has the levels of Logger" do
      Records.start()

      for {name, level} <- [
            critical: :critical,
            error: :error,
            warning: :warning,
            info: :info,
            debug: :debug
          ] do
        context = start_context()

        :ok =
          Context.exec(context, """
          import logging
          logging.basicConfig(level=logging.DEBUG, force=True)
          logging.#{name}("as #{name}")
          """)

        text = "as #{name}"
        assert_receive {:logged, ^level, ^text, _metadata}, 5_000
      end
    end
  end

  describe "standard input" do
    test "does not exist, and Python says so" do
      for code <- ["input()", "import sys\nsys.stdin.read()"] do
        assert {:error, %Py.Error{} = error} = Py.eval(code)
        assert error.message =~ "stdin"
      end
    end
  end
end
