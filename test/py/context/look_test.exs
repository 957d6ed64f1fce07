defmodule Py.Context.LookTest do
  use Py.Case, async: true

  alias Py.Case.Records
  alias Py.{Context, ContextError}

  for %{name: mode, supported: true} <- Py.Mode.all() do
    describe "in #{mode}" do
      setup do
        %{context: start_context(mode: unquote(mode), grace: 100)}
      end

      test "info has what runs, and for whom", %{context: context} do
        assert {:ok, %{operation: nil, caller: nil}} = Context.info(context)
        {_port, task} = held = occupy(context)
        {:ok, info} = Context.info(context)
        assert %{running: true, operation: "eval: open(pipe).read()"} = info
        assert info.caller == task.pid
        release(held)
        assert eventually(fn -> match?({:ok, %{operation: nil}}, Context.info(context)) end)
      end

      test "info names functions and methods", %{context: context} do
        parent = self()
        fun = fn -> send(parent, Context.info(context)) && nil end
        :ok = Context.exec(context, "class Thing:\n    def work(self, fun): fun()")
        {:ok, thing} = Context.eval(context, "Thing()", %{}, return: :object)
        {:ok, nil} = Context.call_method(context, thing, :work, [fun])
        assert_received {:ok, %{operation: method, caller: ^parent, running: true}}
        assert String.ends_with?(method, "Thing.work")
        :ok = Context.exec(context, "def work(fun): fun()")
        {:ok, nil} = Context.call(context, :__main__, :work, [fun])
        assert_received {:ok, %{operation: "__main__.work"}}
      end

      test "the stack is Python's own, down to the line", %{context: context} do
        parent = self()
        fun = fn -> send(parent, Context.stacktrace(context)) && nil end

        :ok =
          Context.exec(context, """
          def outer(fun):
              inner(fun)

          def inner(fun):
              fun()
          """)

        {:ok, nil} = Context.eval(context, "outer(fun)", %{fun: fun})
        assert_received {:ok, text}

        assert text == """
               Stack (most recent call last):
                 File "<eval>", line 1, in <module>
                 File "<exec>", line 2, in outer
                 File "<exec>", line 5, in inner
               """
      end

      test "a look leaves alone what runs at the same time, here and next door", %{context: here} do
        next_door = start_context(mode: unquote(mode))

        # With Python 3.12 nobody in another interpreter gets a GIL that is not let go of.
        recursion = """
        import time

        def deep(left):
            here = [left, str(left)]
            return deep(left - 1) if left else time.sleep(0)
        """

        for context <- [here, next_door], do: :ok = Context.exec(context, recursion)
        code = "end = time.time() + 1\nwhile time.time() < end: deep(20)\ndeep(1)"

        running =
          for context <- [here, next_door], do: Task.async(Context, :eval, [context, code])

        deep? = fn ->
          with {:ok, text} <- Context.stacktrace(here), do: text =~ "in deep", else: (_ -> false)
        end

        assert eventually(deep?)
        for _ <- 1..100, do: Context.stacktrace(here)
        assert Task.await_many(running) == [{:ok, nil}, {:ok, nil}]
      end

      test "what is given up as stuck is told of with its stack", %{context: context} do
        Records.start()
        {port, task} = stuck(context)
        {text, _metadata} = Records.logged!(:warning, "in the context #{inspect(context)} was")
        assert text =~ "It was eval: open(pipe).read(), for #{inspect(task.pid)}."
        assert text =~ "File \"<eval>\", line 1"
        Port.close(port)
        assert {:error, %ContextError{}} = Task.await(task, 20_000)
      end

      test "code in C that keeps its GIL cannot be looked behind", %{context: context} do
        code = "import itertools\nbegan()\nsum(itertools.repeat(1, 10 ** 8))"
        parent = self()
        began = fn -> send(parent, :began) && nil end
        summing = Task.async(fn -> Context.eval(context, code, %{began: began}) end)
        assert_receive :began, 10_000
        assert eventually(fn -> held?(Context.stacktrace(context, 20)) end)
        assert {:ok, 100_000_000} = Task.await(summing, 60_000)
        # An earlier look may just be coming to its end.
        assert eventually(fn -> match?({:ok, _text}, Context.stacktrace(context, 10_000)) end)
      end

      test "an idle context has no stack, a closed one is closed", %{context: context} do
        assert Context.stacktrace(context) == {:ok, "no Python code is running"}
        Context.stop(context)
        assert Context.stacktrace(context) == {:error, %ContextError{reason: :closed}}
        assert {:error, %ContextError{reason: :not_found}} = Context.stacktrace(:nobody)
      end
    end
  end

  defp held?({:error, %ContextError{reason: :timeout, details: details}}),
    do: details =~ "does not let go of its GIL"

  defp held?({:ok, _text}), do: false

  # The interrupt may come just before it begins to read, and ends it.
  defp stuck(context) do
    {port, task} = occupy(context)
    :ok = Context.interrupt(context)

    case Task.yield(task, 200) do
      nil ->
        {port, task}

      {:ok, {:error, %ContextError{reason: :interrupted}}} ->
        Port.close(port)
        stuck(context)
    end
  end
end
