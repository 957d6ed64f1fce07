defmodule Py.CallbackTest do
  # The names of registered functions are everyone's.
  use Py.Case, async: false

  alias Py.{Context, ContextError, Error}

  defp register(name, fun) do
    :ok = Py.register_function(name, fun)
    on_exit(fn -> Py.unregister_function(name) end)
  end

  describe "a registered function" do
    test "is imported, an attribute of erlang, or called by name" do
      register(:cb_add, fn a, b -> a + b end)
      assert Py.eval("from erlang import cb_add\ncb_add(1, 2)") == {:ok, 3}
      assert Py.eval("import erlang\nerlang.cb_add(1, 2)") == {:ok, 3}
      assert Py.eval("import erlang\nerlang.call('cb_add', 1, 2)") == {:ok, 3}
    end

    test "of one argument gets the list of them, others are applied" do
      register(:cb_list, fn args -> {:got, args} end)
      register("cb none", fn -> "nothing" end)
      register(:cb_three, fn a, b, c -> [c, b, a] end)
      :ok = Py.register_function(:cb_upcase, String, :upcase)
      on_exit(fn -> Py.unregister_function(:cb_upcase) end)
      assert Py.eval("import erlang\nerlang.cb_list(1, [2])[1]") == {:ok, [1, [2]]}
      assert Py.eval("import erlang\nerlang.cb_list()[1]") == {:ok, []}
      assert Py.eval("import erlang\nerlang.call('cb none')") == {:ok, "nothing"}
      assert Py.eval("import erlang\nerlang.cb_three(1, 2, 3)") == {:ok, [3, 2, 1]}
      assert Py.eval("import erlang\nerlang.cb_upcase('beam')") == {:ok, "BEAM"}
    end

    test "that is unregistered or unknown is an AttributeError, replaced is the new one" do
      register(:cb_version, fn -> 1 end)
      assert Py.eval("import erlang\nerlang.cb_version()") == {:ok, 1}
      :ok = Py.register_function(:cb_version, fn -> 2 end)
      assert Py.eval("import erlang\nerlang.cb_version()") == {:ok, 2}
      :ok = Py.unregister_function(:cb_version)

      assert {:error, %Error{type: "AttributeError", message: message}} =
               Py.eval("import erlang\nerlang.cb_version")

      assert message =~ "register_function"
      assert {:error, %Error{type: "ImportError"}} = Py.eval("from erlang import cb_version")
      assert {:error, %Error{type: type}} = Py.eval("import erlang\nerlang.call('cb_version')")
      assert type in ["erlang.CallbackError", "AttributeError", "NameError"]
    end

    test "takes no keyword arguments, and Python says so" do
      register(:cb_any, fn _args -> :ok end)

      for code <- ["erlang.cb_any(x=1)", "erlang.call('cb_any', x=1)", "fun(x=1)"] do
        assert {:error, %Error{type: "TypeError", message: message}} =
                 Py.eval("import erlang\n" <> code, %{fun: fn _ -> :ok end})

        assert message =~ "keyword"
      end
    end

    test "runs in the process that called, with its dictionary and Logger metadata" do
      parent = self()
      Process.put(:mark, 42)
      Logger.metadata(request_id: "r1")

      register(:cb_where, fn ->
        send(parent, {:ran, self(), Process.get(:mark), Logger.metadata()[:request_id]})
        nil
      end)

      assert Py.eval("import erlang\nerlang.cb_where()") == {:ok, nil}
      assert_received {:ran, ^parent, 42, "r1"}
    end

    test "runs once, however often it is slow" do
      counter = :counters.new(1, [])
      register(:cb_count, fn -> :counters.add(counter, 1, 1) end)
      :ok = Py.exec("import erlang\nfor _ in range(500): erlang.cb_count()")
      assert :counters.get(counter, 1) == 500
    end

    test "answers with structs that have an encoder" do
      register(:cb_money, fn -> %Py.Case.Money{amount: 3, currency: :eur} end)
      assert Py.eval("import erlang\nerlang.cb_money()") == {:ok, {3, "eur"}}
    end

    test "with a value that Python has no counterpart for is a TypeError there" do
      register(:cb_improper, fn -> [1 | 2] end)

      assert {:error, %Error{type: type}} = Py.eval("import erlang\nerlang.cb_improper()")
      assert type == "TypeError"
    end
  end

  describe "a function that is passed" do
    test "is a Python callable" do
      assert Py.eval("fun(2, 3)", %{fun: fn a, b -> a * b end}) == {:ok, 6}
      assert Py.call(:builtins, :sorted, [[1, 2]], kwargs: [key: &(-&1)]) == {:ok, [2, 1]}
      assert Py.eval("list(map(fun, [1, 2]))", %{fun: &(&1 + 1)}) == {:ok, [2, 3]}
    end

    test "comes back as itself, and a Python callable as one to call" do
      fun = fn -> :mine end
      assert Py.eval("fun", %{fun: fun}) == {:ok, fun}

      register(:cb_call, fn [callable, argument] -> Py.Object.call!(callable, [argument]) end)
      assert Py.eval("import erlang\nerlang.cb_call(lambda n: n + 1, 41)") == {:ok, 42}
    end
  end

  describe "exceptions" do
    test "of Elixir are CallbackErrors with kind, reason and stacktrace" do
      code = """
      import erlang
      try:
          fun()
      except erlang.CallbackError as error:
          found = (error.kind, error.message, len(error.stacktrace) > 0)
      found
      """

      assert Py.eval(code, %{fun: fn -> raise ArgumentError, "no" end}) ==
               {:ok, {"error", "ArgumentError: no", true}}

      assert {:ok, {"throw", ":ball", _}} = Py.eval(code, %{fun: fn -> throw(:ball) end})
      assert {:ok, {"exit", "shutdown", _}} = Py.eval(code, %{fun: fn -> exit(:shutdown) end})
    end

    test "that nobody catches have both tracebacks" do
      fun = fn -> raise "deep down" end
      code = "def outer(f):\n    return f()\nouter(fun)"

      assert {:error, %Error{type: "erlang.CallbackError"} = error} = Py.eval(code, %{fun: fun})
      assert error.message =~ "deep down"
      text = Exception.message(error)
      assert text =~ "in outer"
      assert text =~ "callback_test.exs"
    end

    test "of Python that pass through Elixir keep their cause" do
      inner = fn -> Py.eval!("1 / 0") end

      code =
        "try:\n    fun()\nexcept Exception as error:\n    name = type(error.__cause__).__name__\nname"

      context = start_context()

      fun = fn -> Context.eval(context, "{}['lost']") |> then(fn {:error, e} -> raise e end) end
      assert Context.eval(context, code, %{fun: fun}) == {:ok, "KeyError"}
      assert {:error, error} = Py.eval("fun()", %{fun: inner})
      assert Exception.message(error) =~ "ZeroDivisionError"
    end

    test "do not end the caller" do
      assert {:error, %Error{}} = Py.eval("fun()", %{fun: fn -> exit(:kill) end})
      assert {:error, %Error{}} = Py.eval("fun()", %{fun: fn -> throw(:x) end})
      assert Py.eval("1") == {:ok, 1}
    end
  end

  describe "nesting" do
    for %{name: mode, supported: true} <- Py.Mode.all() do
      test "#{mode}: to depth 200 through the same context" do
        context = start_context(mode: unquote(mode))
        code = "import erlang\n0 if n == 0 else 1 + erlang.cb_down(n - 1)"
        register(:cb_down, fn [n] -> Context.eval(context, code, %{n: n}) |> elem(1) end)
        assert Context.eval(context, code, %{n: 200}) == {:ok, 200}
        assert Context.eval(context, "1") == {:ok, 1}
      end

      test "#{mode}: callers in all contexts of a pool call back and call again" do
        {:ok, [_, _]} = Py.Router.start_pool(:nesting, 2, unquote(mode))
        on_exit(fn -> Py.Router.stop_pool(:nesting) end)

        nest = fn nest, depth ->
          inner = fn -> if depth == 0, do: 0, else: nest.(nest, depth - 1) end
          1 + Py.eval!("fun()", %{fun: inner}, pool: :nesting)
        end

        1..8
        |> Enum.map(fn _ -> Task.async(fn -> nest.(nest, 5) end) end)
        |> Task.await_many(30_000)
        |> Enum.each(&assert &1 == 6)
      end
    end

    test "of calls that name nothing finishes with a caller in every context" do
      callers = 2 * Py.Router.num_contexts()
      inner = fn -> Py.call!(:math, :sqrt, [16]) end

      1..callers
      |> Enum.map(fn _ ->
        Task.async(fn -> for _ <- 1..20, do: Py.eval!("fun()", %{fun: inner}) end)
      end)
      |> Task.await_many(30_000)
      |> Enum.each(&assert Enum.uniq(&1) == [4.0])
    end

    test "sees the namespace of its process, and gives it one where it runs" do
      :ok = Py.exec("kept = 1")
      assert Py.eval("fun()", %{fun: fn -> {Py.exec("kept = 2"), nil} end}) |> elem(0) == :ok
      assert Py.eval("kept") == {:ok, 2}

      first = fn -> Py.exec!("inside = 1") && Py.eval!("inside + 1") end
      assert Task.await(Task.async(fn -> Py.eval("fun()", fun: first) end)) == {:ok, 2}
    end

    test "leaves unrelated requests their place" do
      context = start_context()
      parent = self()

      inside = fn ->
        send(parent, {:inside, self()})
        receive do: (:go_on -> Context.eval(context, "order.append('nested')") |> elem(0))
      end

      :ok = Context.exec(context, "order = []\nadd = order.append")

      outer =
        Task.async(fn -> Context.eval(context, "fun()\norder.append('outer')", %{fun: inside}) end)

      assert_receive {:inside, caller}, 5_000
      other = Py.spawn_call(:__main__, :add, ["other"], context: context)
      send(caller, :go_on)
      assert {:ok, nil} = Task.await(outer)
      assert {:ok, nil} = Py.await(other)
      assert Context.eval(context, "order") == {:ok, ["nested", "outer", "other"]}
    end

    test "counts in the time of the call, which it outlasts if it takes longer" do
      context = start_context()
      parent = self()

      # Nothing tells the function that the time is over: it takes longer than that.
      slow = fn ->
        receive(do: (:never -> :ok), after: (200 -> :late))
        {:ok, %{running: running}} = Context.info(context)
        send(parent, {:ended, self(), running}) && :unheard
      end

      :ok = Context.exec(context, "heard = []")

      assert Py.eval("heard.append(slow())", %{slow: slow}, context: context, timeout: 50) ==
               {:error, %ContextError{reason: :timeout}}

      # It went on to its end, in this process, and its value went nowhere.
      assert_received {:ended, ^parent, true}
      assert Process.info(self(), :messages) == {:messages, []}
      assert Context.eval(context, "heard") == {:ok, []}
    end

    test "in code that was stopped answers :interrupted" do
      context = start_context()
      parent = self()

      fun = fn ->
        :ok = Context.interrupt(context)
        send(parent, {:inner, until_over(context)})
      end

      assert Context.eval(context, "fun()", %{fun: fun}) ==
               {:error, %ContextError{reason: :interrupted}}

      assert_received {:inner, {:error, %ContextError{reason: :interrupted}}}
      assert Context.eval(context, "1") == {:ok, 1}
    end

    # Python needs a moment to notice.
    defp until_over(context) do
      case Context.eval(context, "1") do
        {:ok, 1} -> until_over(context)
        error -> error
      end
    end
  end

  describe "without a caller that waits" do
    test "the function runs in a task, which knows its caller" do
      parent = self()

      register(:cb_orphan, fn ->
        send(parent, {:ran, self(), Process.get(:"$callers")}) |> elem(0)
      end)

      ref = Py.spawn_call(:erlang, :call, ["cb_orphan"])
      assert_receive {:ran, task, callers}, 5_000
      assert task != parent
      assert parent in callers
      assert {:ok, _} = Py.await(ref)
    end

    test "threads that Python has started call back too" do
      register(:cb_thread, fn n, _unused -> n * 10 end)

      code = """
      import erlang, threading
      found = []
      threads = [threading.Thread(target=lambda n=n: found.append(erlang.cb_thread(n, 0))) for n in range(8)]
      for thread in threads: thread.start()
      for thread in threads: thread.join()
      sorted(found)
      """

      assert Py.eval(code) == {:ok, Enum.map(0..7, &(&1 * 10))}
    end

    test "a task that is killed is a CallbackError" do
      register(:cb_killed, fn -> Process.exit(self(), :kill) end)
      assert {:error, %Error{} = error} = Py.await(Py.spawn_call(:erlang, :call, ["cb_killed"]))
      assert error.type == "erlang.CallbackError"
    end

    test "erlang.cast runs a function that nobody waits for" do
      parent = self()
      register(:cb_cast, fn [n] -> send(parent, {:cast, n}) end)
      assert Py.eval("import erlang\nerlang.cast('cb_cast', 7)") == {:ok, nil}
      assert_receive {:cast, 7}, 5_000
    end
  end

  describe "schedule" do
    test "answers with what a registered function makes of the arguments" do
      parent = self()
      register(:cb_later, fn a, b -> {self() == parent, a + b} end)
      code = "import erlang\ndef later(): return erlang.schedule('cb_later', 1, 2)"
      context = start_context()
      :ok = Context.exec(context, code)
      assert Context.call(context, :__main__, :later) == {:ok, {true, 3}}
      assert Py.await(Py.spawn_call(:__main__, :later, [], context: context)) == {:ok, {true, 3}}
    end

    test "turns what that function raises into an error" do
      register(:cb_raise, fn -> raise "later" end)

      assert {:error, %Error{type: "erlang.CallbackError", message: message}} =
               Py.eval("import erlang\nerlang.schedule('cb_raise')")

      assert message =~ "later"
    end

    test "without arguments lets others run, and with a Python function runs that" do
      assert Py.eval("import erlang\nerlang.schedule()") == {:ok, nil}
      assert Py.eval("import erlang\nerlang.schedule(max, 1, 2)") == {:ok, 2}
      assert Py.eval("import erlang\nerlang.schedule_py('math', 'sqrt', (16,))") == {:ok, 4.0}
      assert Py.eval("import erlang\nerlang.consume_time_slice(100)") == {:ok, true}
    end
  end

  describe "messages" do
    test "go to pids, names, places and aliases" do
      Process.register(self(), :cb_named)
      alias = :erlang.alias()
      vars = %{pid: self(), place: {"cb_named", Atom.to_string(node())}, alias: alias}

      :ok = Py.exec("import erlang")
      {:ok, nil} = Py.eval("erlang.send(pid, ('pid', 1))", vars)
      assert_receive {"pid", 1}, 5_000
      {:ok, nil} = Py.eval("erlang.send('cb_named', 'name')", vars)
      assert_receive "name", 5_000
      {:ok, nil} = Py.eval("erlang.send(place, 'place')", vars)
      assert_receive "place", 5_000
      {:ok, nil} = Py.eval("erlang.send(alias, 'alias')", vars)
      assert_receive "alias", 5_000
      assert Py.eval("erlang.whereis('cb_named')") == {:ok, self()}
      assert Py.eval("erlang.whereis('cb_nobody')") == {:ok, nil}
      assert Py.eval("erlang.self()") == {:ok, self()}
    end

    test "to the dead and the unknown are ProcessErrors" do
      dead = spawn(fn -> :ok end)
      assert eventually(fn -> not Process.alive?(dead) end)

      for target <- [dead, "cb_nobody"] do
        assert {:error, %Error{type: "erlang.ProcessError"}} =
                 Py.eval("import erlang\nerlang.send(target, 1)", %{target: target})
      end
    end

    test "erlang.sleep lets the context be interrupted" do
      assert Py.eval("import erlang\nerlang.sleep(0.001)") == {:ok, nil}

      assert Py.eval("import erlang\nerlang.sleep(60)", %{}, timeout: 50) ==
               {:error, %ContextError{reason: :timeout}}
    end
  end
end
