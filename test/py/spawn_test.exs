defmodule Py.SpawnTest do
  use Py.Case, async: true

  alias Py.Case.Records
  alias Py.{Child, Context, ContextError, Error}

  defp messages, do: Process.info(self(), :messages)

  describe "spawn_call and await" do
    test "give what call gives" do
      ref = Py.spawn_call(:math, :sqrt, [16])
      assert is_reference(ref)
      assert Py.await(ref) == {:ok, 4.0}

      assert {:error, %Error{type: "ValueError"}} = Py.await(Py.spawn_call(:math, :sqrt, [-1]))

      ref = Py.spawn_call(:builtins, :sorted, [[1, 2]], kwargs: [reverse: true], return: :object)
      assert {:ok, %Py.Object{type: "list"} = list} = Py.await(ref)
      assert Py.await(Py.spawn_call(list, :index, [1])) == {:ok, 1}
      assert messages() == {:messages, []}
    end

    test "encode structs and find a pool like call" do
      money = %Py.Case.Money{amount: 3, currency: :eur}
      assert Py.await(Py.spawn_call(:builtins, :list, [money])) == {:ok, [3, "eur"]}
    end

    test "encode structs before the call, which runs whether it is awaited or not" do
      context = start_context()
      :ok = Context.exec(context, "seen = []\nadd = seen.append")
      money = %Py.Case.Money{amount: 3, currency: :eur}
      Py.spawn_call(:__main__, :add, [[%{price: money}]], context: context)
      seen = {:ok, [[%{"price" => {3, "eur"}}]]}
      assert eventually(fn -> Context.eval(context, "seen") == seen end)
    end

    test "may be awaited in any order" do
      refs = for n <- 1..50, do: Py.spawn_call(:math, :factorial, [n])
      expected = for n <- 1..50, do: {:ok, Enum.product(1..n)}
      assert refs |> Enum.reverse() |> Enum.map(&Py.await/1) |> Enum.reverse() == expected
      assert Py.await_many(for n <- 1..50, do: Py.spawn_call(:math, :factorial, [n])) == expected
    end

    test "stop the call when the time is over, and leave no message" do
      context = start_context()
      held = occupy(context)
      ref = Py.spawn_call(:math, :sqrt, [16], context: context)
      assert Py.await(ref, 10) == {:error, %ContextError{reason: :timeout}}
      assert {:ok, ""} = release(held)
      assert Context.eval(context, "1") == {:ok, 1}
      assert messages() == {:messages, []}
    end

    test "say so when there is nothing to wait for" do
      ref = Py.spawn_call(:math, :sqrt, [16])
      assert {:error, %ContextError{reason: :not_found} = error} = other_process(ref)
      assert Exception.message(error) =~ "another process"
      assert Py.await(ref) == {:ok, 4.0}
      assert {:error, %ContextError{reason: :not_found} = error} = Py.await(ref)
      assert Exception.message(error) =~ "already"
      assert {:error, %ContextError{reason: :not_found}} = Py.await(make_ref())
    end

    defp other_process(ref), do: Task.await(Task.async(fn -> Py.await(ref) end))

    test "answer :closed when the context ends" do
      context = start_context()
      held = occupy(context)
      ref = Py.spawn_call(:math, :sqrt, [16], context: context)
      stopping = Task.async(fn -> Context.stop(context) end)
      assert Py.await(ref) == {:error, %ContextError{reason: :closed}}
      release(held)
      Task.await(stopping, 20_000)

      assert Py.await(Py.spawn_call(:math, :sqrt, [16], context: context)) ==
               {:error, %ContextError{reason: :closed}}
    end

    test "stop the call when its process dies" do
      context = start_context()
      parent = self()

      caller =
        spawn(fn ->
          Py.spawn_call(:builtins, :exec, ["while True: pass", %{}], context: context)
          send(parent, :spawned)
          receive do: (:never -> :ok)
        end)

      assert_receive :spawned, 5_000
      kill(caller)
      assert Context.eval(context, "1", %{}, timeout: 10_000) == {:ok, 1}
    end
  end

  describe "cancel" do
    test "stops what runs and what waits" do
      context = start_context()
      endless = Py.spawn_call(:builtins, :exec, ["while True: pass", %{}], context: context)
      waiting = Py.spawn_call(:math, :sqrt, [16], context: context)
      assert Py.cancel(waiting) == :ok
      assert Py.cancel(endless) == :ok
      assert Py.await(endless) == {:error, %ContextError{reason: :interrupted}}
      assert Py.await(waiting) == {:error, %ContextError{reason: :interrupted}}
      assert Context.eval(context, "1") == {:ok, 1}
      assert messages() == {:messages, []}
    end

    test "may be repeated, and may come too late to stop anything" do
      context = start_context()
      ref = Py.spawn_call(:math, :sqrt, [16], context: context)
      assert Context.eval(context, "1") == {:ok, 1}
      for _ <- 1..2, do: assert(Py.cancel(ref) == :ok)
      assert Py.await(ref) == {:error, %ContextError{reason: :interrupted}}
      assert messages() == {:messages, []}
    end

    test "says so when there is nothing to stop, as await does" do
      ref = Py.spawn_call(:math, :sqrt, [16])
      elsewhere = Task.await(Task.async(fn -> Py.cancel(ref) end))
      assert {:error, %ContextError{reason: :not_found} = error} = elsewhere
      assert Exception.message(error) =~ "another process"
      assert Py.await(ref) == {:ok, 4.0}
      assert Py.cancel(ref) == elsewhere
      assert Py.cancel(make_ref()) == elsewhere
      assert messages() == {:messages, []}
    end
  end

  describe "cast" do
    test "that is refused says so once, and to nobody else" do
      context = start_context(max_queue: 1)
      held = occupy(context)
      assert Py.cast(:math, :sqrt, [16], context: context) == :ok

      attendant = Process.whereis(Py.Attendant)
      :erlang.trace(attendant, true, [:receive])
      busy = {:error, %ContextError{reason: :busy}}
      assert Py.cast(:math, :sqrt, [16], context: context) == busy
      # It answers in order, so what it was told before has been traced.
      :sys.get_state(attendant)
      :erlang.trace(attendant, false, [:receive])
      own = self()
      refute_received {:trace, _pid, :receive, {:cast_failed, %{caller: ^own}, _op, _reason}}
      release(held)
    end

    test "runs in order, and nobody hears of it" do
      context = start_context()
      :ok = Context.exec(context, "seen = []\nadd = seen.append")
      for n <- 1..200, do: :ok = Py.cast(:__main__, :add, [n], context: context)
      assert Context.eval(context, "seen == list(range(1, 201))") == {:ok, true}
      assert messages() == {:messages, []}
    end

    test "says at once what cannot be" do
      context = start_context()
      Context.stop(context)

      assert Py.cast(:math, :sqrt, [1], context: context) ==
               {:error, %ContextError{reason: :closed}}

      assert {:error, %ContextError{reason: :not_found}} =
               Py.cast(:math, :sqrt, [1], pool: :nobody)
    end

    test "encodes structs, and keeps their place" do
      context = start_context()
      :ok = Context.exec(context, "seen = []\nadd = seen.append")
      money = %Py.Case.Money{amount: 3, currency: :eur}
      for value <- [money, 1], do: :ok = Py.cast(:__main__, :add, [value], context: context)
      assert Context.eval(context, "seen") == {:ok, [{3, "eur"}, 1]}
    end

    test "logs what fails" do
      Records.start()
      # A cast of another test may still fail when its context closes: this is nobody else's.
      :ok = Py.cast(:math, :log, [-1.25])
      assert_receive {:logged, :error, "Py.cast of math.log failed: " <> text, _metadata}, 5_000
      assert text =~ "ValueError"
    end
  end

  describe "parallel" do
    test "answers in order, errors included" do
      assert [{:ok, 2.0}, {:error, %Error{type: "ValueError"}}, {:ok, [2, 1]}] =
               Py.parallel([
                 {:math, :sqrt, [4]},
                 {:math, :sqrt, [-1]},
                 {:builtins, :sorted, [[1, 2]], [kwargs: [reverse: true]]}
               ])

      assert Py.parallel([]) == []
    end

    test "has one time for all" do
      [one, two] = [start_context(), start_context()]

      endless =
        for context <- [one, two],
            do: {:builtins, :exec, ["while True: pass", %{}], [context: context]}

      timeout = {:error, %ContextError{reason: :timeout}}
      assert Py.parallel(endless, timeout: 50) == [timeout, timeout]
      for context <- [one, two], do: assert(Context.eval(context, "1") == {:ok, 1})
      assert messages() == {:messages, []}
    end

    test "runs calls with structs at the same time, too" do
      key = "meeting #{System.unique_integer()}"

      # Each comes back when the other one has begun.
      code = """
      import erlang, time
      def meet(key, money):
          erlang.state_incr(key)
          while erlang.state_get(key) < 2:
              time.sleep(0.001)
          return money
      """

      calls =
        for amount <- [1, 2] do
          context = start_context()
          :ok = Context.exec(context, code)
          money = %Py.Case.Money{amount: amount, currency: :eur}
          {:__main__, :meet, [key, money], [context: context]}
        end

      assert Py.parallel(calls) == [ok: {1, "eur"}, ok: {2, "eur"}]
    end

    requires_interpreters()

    # In a BEAM with one context, from which one call at a time is moved.
    test "has one time for all that an extension moves to the pool :worker" do
      python = """
      import erlang
      if erlang.execution_mode() == 'subinterp':
          raise ImportError('module does not support loading in subinterpreters')
      erlang.state_incr('moved')
      while True: pass
      """

      # None of the time is to go by while a context opens there.
      elixir = """
      {:ok, 1} = Py.eval("1", %{}, pool: :worker)
      calls = List.duplicate({:builtins, :exec, [python, %{}]}, 4)
      {Py.parallel(calls, timeout: 500), Py.State.fetch("moved")}
      """

      work = {Code, :eval_string, [elixir, [python: python]]}
      assert {:ok, {seen, _}, _output} = Child.run(work, config: [num_contexts: 1])
      timeout = {:error, %ContextError{reason: :timeout}}
      assert seen == {List.duplicate(timeout, 4), {:ok, 1}}
    end
  end

  describe "as:" do
    alias Py.Case.Point

    test "makes structs of maps and of lists of them" do
      assert Py.eval("{'x': 1, 'z': 3}", %{}, as: Point) == {:ok, %Point{x: 1, y: nil}}

      assert Py.eval("[{'x': n, 'y': n} for n in range(2)]", %{}, as: Point) ==
               {:ok, [%Point{x: 0, y: 0}, %Point{x: 1, y: 1}]}

      assert Py.eval("None", %{}, as: Point) == {:ok, nil}
    end

    test "applies a function" do
      assert Py.call(:math, :sqrt, [16], as: &trunc/1) == {:ok, 4}
      assert Py.await(Py.spawn_call(:math, :sqrt, [16], as: &trunc/1)) == {:ok, 4}
      assert {:error, %Error{}} = Py.call(:math, :sqrt, [-1], as: &trunc/1)
    end
  end
end
