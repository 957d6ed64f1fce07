defmodule Py.Modes.InlineTest do
  use Py.Case, async: true

  import ExUnit.CaptureIO

  alias Py.{Context, ContextError, Error, Router}
  alias Py.Case.Records

  @thread "__import__('threading').get_ident()"

  for %{name: mode, supported: true} <- Py.Mode.all() do
    describe "inline, #{mode}:" do
      setup do
        context = start_context(mode: unquote(mode))
        {:ok, worker} = Context.eval(context, @thread)
        %{context: context, worker: worker, inline: &inline(&1, &2, context)}
      end

      test "runs on the caller's thread where nobody else can hold the GIL", test do
        possible? = unquote(mode) == :own_gil and older_than?({3, 14})
        assert eventually(fn -> elsewhere?(test) == possible? end)
      end

      test "answers as always", %{context: context, inline: inline} do
        :ok = Context.exec(context, "x = 20")
        assert inline.("x + n", %{n: 22}) == {:ok, 42}
        assert {:error, %Error{type: "ZeroDivisionError"}} = inline.("1 / 0", %{})
        assert {:ok, %Py.Object{}} = inline.("object()", %{})
        assert Py.call(:math, :gcd, [12, 18], context: context, inline: true) == {:ok, 6}
        {:ok, deque} = Py.eval("__import__('collections').deque([1])", %{}, context: context)
        assert Py.call(deque, :pop, [], inline: true) == {:ok, 1}
      end

      test "what it prints is there before its answer", %{inline: inline} do
        assert capture_io(fn ->
                 assert inline.("print('one') or print('two', end='') or 3", %{}) == {:ok, 3}
                 IO.write(".")
               end) == "one\ntwo."
      end

      test "what the conversion of its value prints, too", %{context: context, inline: inline} do
        :ok =
          Context.exec(context, """
          import dataclasses
          @dataclasses.dataclass
          class Noisy:
              number: int
              def __getattribute__(self, name):
                  if name == "number": print("asked")
                  return super().__getattribute__(name)
          """)

        assert capture_io(fn -> assert inline.("Noisy(1)", %{}) == {:ok, %{"number" => 1}} end) ==
                 "asked\n"
      end

      test "it speaks for its caller", %{context: context, inline: inline} do
        :ok = Context.exec(context, "import erlang")
        assert inline.("erlang.self()", %{}) == {:ok, self()}
        assert {:error, %Error{type: "KeyError"}} = inline.("erlang.self() and {}['key']", %{})
        opts = [context: context, inline: true]
        assert Py.eval("[1, 'two']", %{}, [return: :json] ++ opts) == {:ok, ~s([1,"two"])}
        assert {:ok, %Py.Object{} = list} = Py.eval("[1]", %{}, [return: :object] ++ opts)
        assert Py.Object.to_term(list) == {:ok, [1]}
      end

      test "it may have others go on", %{context: context, inline: inline} = test do
        Py.register_function(:inline_next, fn [n] -> n + 1 end)
        on_exit(fn -> Py.unregister_function(:inline_next) end)
        :ok = Context.exec(context, "import erlang")
        assert inline.("erlang.schedule('inline_next', 1)", %{}) == {:ok, 2}
        later = "erlang.schedule(__import__('threading').get_ident)"
        assert inline.(later, %{}) == {:ok, test.worker}
      end

      test "it may send but not wait", %{context: context, inline: inline} = test do
        assert {:ok, _} = inline.("__import__('erlang').send(pid, 'sent')", %{pid: self()})
        assert_receive "sent", 5_000

        if elsewhere?(test) do
          :ok = Context.exec(context, "import asyncio, erlang as e")

          codes = [
            "asyncio.sleep(0)",
            "e.sleep(0)",
            "e.call('nothing')",
            "e.run(asyncio.sleep(1))"
          ]

          for code <- codes, do: assert(eventually(fn -> refused?(inline.(code, %{})) end), code)
        end
      end

      test "recursion without end is an error", %{context: context, inline: inline} do
        assert {:error, %Error{}} = inline.("__import__('json').loads('[' * 200_000)", %{})
        :ok = Context.exec(context, "def deep(n): return repr(n) and deep(n + 1)")
        assert {:error, %Error{type: "RecursionError"}} = inline.("deep(0)", %{})
      end

      test "a busy context is waited for as always", %{context: context, inline: inline} do
        busy = occupy(context)
        caller = Task.async(fn -> inline.("1 + 1", %{}) end)
        assert eventually(fn -> match?({:ok, %{queue: 1}}, Context.info(context)) end)
        release(busy)
        assert Task.await(caller, 20_000) == {:ok, 2}
      end

      test "threads that Python code leaves behind are kept clear of", test do
        %{context: context, inline: inline, worker: worker} = test

        :ok =
          Context.exec(context, """
          import threading
          end = threading.Event()
          thread = threading.Thread(target=end.wait)
          thread.start()
          """)

        assert inline.(@thread, %{}) == {:ok, worker}
        :ok = Context.exec(context, "end.set(); thread.join()")
      end

      test "code that never ends is stopped", %{context: context} do
        endless = [context: context, inline: true, timeout: 3_000]
        assert {:error, error} = Py.eval("exec('while True: pass')", %{}, endless)
        assert %ContextError{reason: reason} = error
        assert reason in [:interrupted, :timeout]
        assert Context.eval(context, "1") == {:ok, 1}
      end

      test "many at once get their own answers", %{context: context, inline: inline} do
        for n <- 1..16 do
          Task.async(fn ->
            for i <- 1..200 do
              opts = [context: context, inline: rem(i, 3) > 0]
              assert Py.call(:operator, :add, [n, i], opts) == {:ok, n + i}
            end

            inline.("n", %{n: n})
          end)
        end
        |> Task.await_many(60_000)
      end
    end
  end

  describe "with a GIL of one's own" do
    unless older_than?({3, 14}) and
             Enum.any?(Py.Mode.all(), &(&1.name == :own_gil and &1.supported)),
           do: @describetag(skip: "needs contexts in which code can run inline")

    test "what threads print that it starts goes to its caller" do
      context = start_context(mode: :own_gil)

      :ok =
        Context.exec(context, """
        import threading
        def speak():
            thread = threading.Thread(target=print, args=("line",))
            thread.start()
            thread.join()
        """)

      {:ok, device} = StringIO.open("")

      # Inline there is no waiting until it has arrived.
      Task.await(
        Task.async(fn ->
          Process.group_leader(self(), device)
          assert inline("speak()", %{}, context) == {:ok, nil}
          assert eventually(fn -> StringIO.contents(device) == {"", "line\n"} end)
        end),
        20_000
      )
    end

    test "a function that breaks the promise is reported, and goes to a worker" do
      Records.start()
      context = start_context(mode: :own_gil)

      :ok =
        Context.exec(context, """
        import threading, time
        def nap():
            time.sleep(0.02)
            return threading.get_ident()
        """)

      {:ok, worker} = Context.eval(context, @thread)
      :ok = Router.register_inline({:__main__, :nap})
      on_exit(fn -> Router.unregister_inline({:__main__, :nap}) end)
      :ok = Router.bind_context(context)

      # It runs inline as soon as the context is idle, which no message announces.
      assert eventually(fn -> Py.call(:__main__, :nap) != {:ok, worker} end)
      assert Records.logged!(:warning, "__main__.nap ran inline")
      for _ <- 1..3, do: assert(Py.call(:__main__, :nap) == {:ok, worker})
    end
  end

  defp inline(code, vars, context), do: Py.eval(code, vars, context: context, inline: true)

  defp refused?({:error, %Error{type: "RuntimeError", message: message}}),
    do: message =~ "without `inline`"

  defp refused?(_not_inline), do: false

  defp elsewhere?(%{context: context, worker: worker}),
    do: inline(@thread, %{}, context) != {:ok, worker}
end
