defmodule Py.StateTest do
  # The state is everyone's; each test keeps to keys of its own but for the one that clears it.
  use Py.Case, async: false

  alias Py.State

  doctest Py.State

  @import "from erlang import state_delete, state_get, state_keys, state_set\n"

  describe "in Elixir" do
    test "any term is a key and any term a value" do
      terms = [1, 1.0, "text", <<0, 255>>, {:a, 1}, [1], %{a: 1}, self(), make_ref(), nil, true]
      for term <- terms, do: :ok = State.store(term, {:value, term})
      for term <- terms, do: assert(State.fetch(term) == {:ok, {:value, term}})
      for term <- terms, do: State.remove(term)
      for term <- terms, do: assert(State.fetch(term) == :error)
    end

    test "an atom as a key is its name, but inside of a key it is itself" do
      State.store(:name, 1)
      assert State.fetch("name") == {:ok, 1}
      State.store({:name}, 2)
      assert State.fetch({"name"}) == :error
      State.store(nil, 3)
      assert State.fetch("nil") == :error
    end

    test "a value is replaced, and others stay" do
      for n <- 1..1_000, do: State.store({:replaced, n}, n)
      for n <- 1..1_000//2, do: State.store({:replaced, n}, -n)
      for n <- 2..1_000//4, do: State.remove({:replaced, n})

      for n <- 1..1_000 do
        value =
          if rem(n, 2) == 1, do: {:ok, -n}, else: if(rem(n, 4) == 0, do: {:ok, n}, else: :error)

        assert State.fetch({:replaced, n}) == value
      end
    end

    test "functions, objects of Python and binaries that begin within a byte stay what they are" do
      State.store(:fun, &String.upcase/1)
      assert State.get(:fun).("a") == "A"
      <<_::4, odd::binary-size(3), _::4>> = <<0x06, 0x16, 0x26, 0x30>>
      State.store(:odd, {odd, odd <> String.duplicate("x", 100)})
      assert State.get(:odd) == {"abc", "abc" <> String.duplicate("x", 100)}
      code = @import <> "state_get('odd')"
      assert Py.eval(code) == {:ok, State.get(:odd)}
    end

    test "a missing key has a default, or says so" do
      assert State.get(:missing) == nil
      assert State.get(:missing, 1) == 1
      error = assert_raise KeyError, fn -> State.fetch!(:missing) end
      assert Exception.message(error) =~ "nothing under :missing in Py.State"
    end

    test "what is no integer of 64 bits is not counted" do
      State.store(:text, "1")
      assert_raise ArgumentError, ~r/under :text is no integer/, fn -> State.incr(:text) end
      State.store(:large, 2 ** 64)
      assert_raise ArgumentError, ~r/is no integer of 64 bits/, fn -> State.incr(:large) end
      State.store(:most, 2 ** 63 - 1)
      assert_raise ArgumentError, ~r/no longer fit/, fn -> State.incr(:most) end
      assert_raise ArgumentError, ~r/no longer fit/, fn -> State.incr(:most, 2 ** 64) end
      assert State.decr(:most) == 2 ** 63 - 2
    end

    test "clearing forgets everything" do
      for n <- 1..100, do: State.store({:cleared, n}, String.duplicate("x", 1_000))
      assert length(State.keys()) >= 100
      assert State.clear() == :ok
      assert State.keys() == []
      assert State.fetch({:cleared, 1}) == :error
    end
  end

  for %{name: mode, supported: true} <- Py.Mode.all() do
    describe "in mode #{mode}" do
      setup do
        %{context: start_context(mode: unquote(mode))}
      end

      test "Python and Elixir see the same", %{context: context} do
        code = @import <> "state_set(('k', 1), {'n': [1.5, None, b'\\xff']})\nstate_get(('k', 1))"
        assert Py.eval(code, %{}, context: context) == {:ok, %{"n" => [1.5, nil, <<255>>]}}
        assert State.fetch({"k", 1}) == {:ok, %{"n" => [1.5, nil, <<255>>]}}
        State.store("d", ~D[2024-02-29])

        assert Py.eval(@import <> "str(state_get('d'))", %{}, context: context) ==
                 {:ok, "2024-02-29"}

        State.store("big", 2 ** 70)

        assert Py.eval(@import <> "state_get('big') + 1", %{}, context: context) ==
                 {:ok, 2 ** 70 + 1}
      end

      test "what is not there is None or the default", %{context: context} do
        code = @import <> "(state_get('no'), state_get('no', 7), state_get('no', default='x'))"
        assert Py.eval(code, %{}, context: context) == {:ok, {nil, 7, "x"}}
        assert Py.eval(@import <> "state_delete('no')", %{}, context: context) == {:ok, nil}
      end

      test "a value is a copy", %{context: context} do
        code = @import <> "kept = [1]\nstate_set('copy', kept)\nkept.append(2)\nstate_get('copy')"
        assert Py.eval(code, %{}, context: context) == {:ok, [1]}
      end

      test "keys are listed and deleted", %{context: context} do
        State.clear()
        code = @import <> "state_set('a', 1); state_set('b', 2); state_delete('a'); state_keys()"
        assert Py.eval(code, %{}, context: context) == {:ok, ["b"]}
        assert Py.exec("import erlang; erlang.state_clear()", context: context) == :ok
        assert State.keys() == []
      end

      test "counters are counted", %{context: context} do
        State.remove("n")

        code =
          "import erlang\n(erlang.state_incr('n'), erlang.state_incr('n', 5), erlang.state_decr('n', by=2))"

        assert Py.eval(code, %{}, context: context) == {:ok, {1, 6, 4}}
        assert State.incr(:n) == 5
      end

      test "mistakes are told", %{context: context} do
        for {call, type, text} <- [
              {"state_incr('text')", "TypeError", "under 'text' is no integer of 64 bits"},
              {"state_incr('n', 2 ** 63)", "OverflowError", "too"},
              {"state_incr('most')", "OverflowError", "under 'most' would no longer fit"},
              {"state_set('s', 'x' + chr(0xD800))", "TypeError", "surrogate"},
              {"state_get()", "TypeError", "key"}
            ] do
          State.store("text", "1")
          State.store("most", 2 ** 63 - 1)

          assert {:error, %Py.Error{} = error} =
                   Py.eval("import erlang\nerlang." <> call, %{}, context: context)

          assert error.type == type
          assert error.message =~ text
        end
      end

      test "an object without a counterpart is for its own context", %{context: context} do
        code =
          "import erlang\nclass Own: n = 7\nerlang.state_set('own', Own())\nerlang.state_get('own').n"

        assert Py.eval(code, %{}, context: context) == {:ok, 7}
        assert {:ok, %Py.Object{}} = State.fetch("own")
        other = start_context(mode: unquote(mode))
        assert {:error, error} = Py.eval(@import <> "state_get('own')", %{}, context: other)
        assert Exception.message(error) =~ "lives in another context"
      end

      test "threads that Python code starts have it too", %{context: context} do
        State.remove("threads")

        code = """
        import erlang, threading
        def count():
            for _ in range(100):
                erlang.state_incr('threads')
        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        """

        assert Py.exec(code, context: context) == :ok
        assert State.fetch("threads") == {:ok, 400}
      end
    end
  end

  test "no count is lost between processes and contexts" do
    State.remove("race")
    contexts = for _ <- 1..4, do: start_context()
    code = "import erlang\nfor _ in range(5000):\n    erlang.state_incr('race')"

    tasks =
      for(context <- contexts, do: Task.async(fn -> :ok = Py.exec(code, context: context) end)) ++
        for _ <- 1..4, do: Task.async(fn -> for(_ <- 1..5_000, do: State.incr("race")) end)

    Task.await_many(tasks, 60_000)
    assert State.fetch("race") == {:ok, 40_000}
  end

  test "readers and writers of one large value see it whole" do
    contexts = for _ <- 1..2, do: start_context()
    State.store("whole", Enum.to_list(1..1_000))

    code = """
    import erlang
    for _ in range(300):
        seen = erlang.state_get('whole')
        assert seen == list(range(seen[0], seen[0] + 1000)), seen
        erlang.state_set('whole', [n + 1 for n in seen])
    """

    tasks = for context <- contexts, do: Task.async(fn -> Py.exec(code, context: context) end)

    for _ <- 1..300 do
      [first | _] = seen = State.get("whole")
      assert seen == Enum.to_list(first..(first + 999))
      State.store("whole", Enum.to_list(0..999))
    end

    assert Task.await_many(tasks, 60_000) == [:ok, :ok]
  end

  test "it outlives the context that wrote it" do
    context = start_context()
    :ok = Py.exec("import erlang; erlang.state_set('outlives', [1])", context: context)
    :ok = Py.Context.stop(context)
    assert State.fetch("outlives") == {:ok, [1]}
  end
end
