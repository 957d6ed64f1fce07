defmodule Py.FaultTest do
  use Py.Case, async: true

  alias Py.{Child, Context, ContextError, Error}
  alias Py.Case.Flights

  @moduletag timeout: 1_200_000

  # Runs something in a process of its own that says when it has begun and never ends by itself.
  defp begin(work) do
    parent = self()
    spawn(fn -> work.(fn -> send(parent, :begun) end) end)
  end

  defp forever, do: receive(do: (:never -> :ok))

  for %{name: mode, supported: true} <- Py.Mode.all() do
    describe "#{mode}" do
      setup do
        %{context: start_context(mode: unquote(mode))}
      end

      test "a caller killed in its call leaves a free context", %{context: context} do
        caller =
          begin(fn begun ->
            Context.eval(context, "begun()\nwhile True: pass", %{begun: begun})
          end)

        assert_receive :begun, 10_000
        kill(caller)
        assert Context.eval(context, "1", %{}, timeout: 10_000) == {:ok, 1}
      end

      test "a caller killed in its callback ends the Python code with it", %{context: context} do
        :ok = Context.exec(context, "ended = []")
        code = "try:\n    fun()\nfinally:\n    ended.append(1)"

        caller =
          begin(fn begun ->
            Context.eval(context, code, %{fun: fn -> begun.() && forever() end})
          end)

        assert_receive :begun, 10_000
        kill(caller)
        assert Context.eval(context, "ended", %{}, timeout: 10_000) == {:ok, [1]}
      end

      test "a caller killed in a nested call ends all of them", %{context: context} do
        caller =
          begin(fn begun ->
            inner = fn -> Context.eval(context, "begun()\nwhile True: pass", %{begun: begun}) end
            Context.eval(context, "fun()", %{fun: inner})
          end)

        assert_receive :begun, 10_000
        kill(caller)
        assert Context.eval(context, "1", %{}, timeout: 10_000) == {:ok, 1}
      end

      for {kind, prefix} <- [generator: "", async_generator: "async "] do
        test "a caller killed while the next item of its #{kind} is made closes that", %{
          context: context
        } do
          :ok = Context.exec(context, "ended = []")

          :ok =
            Context.exec(context, """
            #{unquote(prefix)}def items(begun):
                try:
                    yield 1
                    begun()
                    while True: pass
                finally:
                    ended.append(1)
            """)

          caller =
            begin(fn begun ->
              :__main__ |> Py.stream(:items, [begun], context: context, batch: 1) |> Stream.run()
            end)

          assert_receive :begun, 10_000
          kill(caller)
          assert Context.eval(context, "ended", %{}, timeout: 10_000) == {:ok, [1]}
        end
      end

      test "a context killed in a callback answers its caller", %{context: context} do
        parent = self()

        caller =
          Task.async(fn ->
            fun = fn ->
              send(parent, :begun)
              receive(do: (:go_on -> Context.eval(context, "1")))
            end

            answer = Context.eval(context, "fun()", %{fun: fun})
            {answer, Process.info(self(), :messages)}
          end)

        assert_receive :begun, 10_000
        kill(context)
        send(caller.pid, :go_on)
        assert {{:error, error}, {:messages, []}} = Task.await(caller, 20_000)
        assert match?(%ContextError{reason: :closed}, error) or match?(%Error{}, error)
      end

      test "a process killed with spawned calls stops them", %{context: context} do
        caller =
          begin(fn begun ->
            endless = ["while True: pass", %{}]
            for _ <- 1..3, do: Py.spawn_call(:builtins, :exec, endless, context: context)
            begun.()
            forever()
          end)

        assert_receive :begun, 10_000
        kill(caller)
        assert Context.eval(context, "1", %{}, timeout: 10_000) == {:ok, 1}
      end
    end

    for {rounds, tag} <- [{10, :quick}, {1_000, :long}] do
      @tag tag
      test "#{mode}: the application stops with work in flight, #{rounds} times" do
        rounds = unquote(rounds)
        options = [config: [mode: unquote(mode), num_contexts: 2], timeout: 1_000_000]

        assert {:ok, {answers, left, remains}, output} =
                 Child.run({Flights, :run, [rounds]}, options)

        assert left == [], output
        assert remains == %{contexts: 0, abandoned: 0}, output
        assert Map.keys(answers) -- [:ok, :closed, :not_found, :interrupted, :callback] == []
      end
    end
  end
end
