defmodule Py.RequestTest do
  use Py.Case, async: true

  alias Py.ContextError

  describe "timeouts" do
    test "a request that takes too long answers :timeout and leaves no message" do
      context = start_context()
      held = occupy(context)

      assert Py.eval("1", %{}, context: context, timeout: 10) ==
               {:error, %ContextError{reason: :timeout}}

      assert {:ok, ""} = release(held)
      assert Py.eval("2", %{}, context: context) == {:ok, 2}
      refute_received {_tag, {:ok, 1}}
      assert Process.info(self(), :messages) == {:messages, []}
    end

    test "a request given up while it waited never runs" do
      context = start_context()
      :ok = Py.exec("ran = []", context: context)
      held = occupy(context)

      assert {:error, %ContextError{reason: :timeout}} =
               Py.exec("ran.append(1)", context: context, timeout: 0)

      release(held)
      assert Py.eval("ran", %{}, context: context) == {:ok, []}
    end

    test "a timeout of zero still gives an answer" do
      for _ <- 1..100 do
        case Py.eval("1", %{}, timeout: 0) do
          {:ok, 1} -> :ok
          {:error, %ContextError{reason: :timeout}} -> :ok
        end
      end

      assert Process.info(self(), :messages) == {:messages, []}
    end

    test "without a limit the answer is waited for" do
      assert Py.eval("1", %{}, timeout: :infinity) == {:ok, 1}
    end
  end

  describe "the caller" do
    test "keeps its other messages" do
      for n <- 1..1_000, do: send(self(), {:other, n})
      assert Py.eval("1 + 1") == {:ok, 2}
      for n <- 1..1_000, do: assert_received({:other, ^n})
    end

    test "may die while it waits" do
      context = start_context()
      held = occupy(context)
      parent = self()

      caller =
        spawn(fn ->
          send(parent, :asking)
          Py.exec("1", context: context)
        end)

      assert_receive :asking
      kill(caller)
      release(held)
      assert Py.eval("1", %{}, context: context) == {:ok, 1}
    end
  end

  describe "the caller's time slice" do
    test "is what copying large arguments is paid from" do
      context = start_context()
      large = Enum.to_list(1..1_000_000)
      call = fn -> {:ok, 1_000_000} = Py.call(:builtins, :len, [large], context: context) end
      # What Elixir does in a call comes to a hundred; each copy takes what is left of the slice.
      assert reductions(fn -> for _ <- 1..4, do: call.() end) > 4_000
    end

    defp reductions(work) do
      {:reductions, before} = Process.info(self(), :reductions)
      work.()
      {:reductions, later} = Process.info(self(), :reductions)
      later - before
    end
  end

  describe "the private namespace of a process" do
    test "begins with its first exec and is seen by eval and __main__" do
      assert {:error, %Py.Error{type: "NameError"}} = Py.eval("x")
      assert Py.exec("x = 1\ndef double(n): return 2 * n") == :ok
      assert Py.exec("x += 1") == :ok
      assert Py.eval("x") == {:ok, 2}
      assert Py.call(:__main__, :double, [21]) == {:ok, 42}
      assert Py.call("__main__", "double", [4]) == {:ok, 8}
    end

    test "is not seen by other processes" do
      :ok = Py.exec("secret = 1")
      seen = fn -> Py.eval("secret") end
      results = for _ <- 1..8, do: Task.async(seen)

      for result <- Task.await_many(results),
          do: assert({:error, %Py.Error{type: "NameError"}} = result)
    end

    test "is not seen by contexts that are named, nor they by it" do
      context = start_context()
      :ok = Py.exec("where = 'mine'")
      :ok = Py.exec("where = 'shared'", context: context)
      assert Py.eval("where") == {:ok, "mine"}
      assert Py.eval("where", %{}, context: context) == {:ok, "shared"}
    end

    test "an eval before it leaves nothing behind" do
      assert Py.eval("y = 1\ny") == {:ok, 1}
      assert {:error, %Py.Error{type: "NameError"}} = Py.eval("y")
    end

    test "variables of an eval do not stay" do
      :ok = Py.exec("base = 10")
      assert Py.eval("fresh = base + x\nfresh", %{x: 1}) == {:ok, 11}
      assert {:error, %Py.Error{type: "NameError"}} = Py.eval("x")
      assert {:error, %Py.Error{type: "NameError"}} = Py.eval("fresh")
      assert Py.eval("base") == {:ok, 10}
    end

    test "goes away with its process" do
      parent = self()
      isolated(fn -> send(parent, {Py.exec("x = 1"), Py.eval("x")}) end)
      assert_received {:ok, {:ok, 1}}
      assert {:error, %Py.Error{type: "NameError"}} = Py.eval("x")
    end
  end

  test "functions stored by exec see each other's globals" do
    :ok =
      Py.exec("import math\ndef area(r): return math.pi * square(r)\ndef square(n): return n * n")

    assert {:ok, area} = Py.call(:__main__, :area, [2])
    assert_in_delta area, 12.566, 0.001
  end

  test "kwargs are a keyword list or a map, with atoms or strings" do
    for kwargs <- [[reverse: true], %{reverse: true}, %{"reverse" => true}, [{"reverse", true}]] do
      assert Py.call(:builtins, :sorted, [[1, 2]], kwargs: kwargs) == {:ok, [2, 1]}
    end
  end

  test "names may be dotted" do
    assert Py.call("os.path", :join, ["a", "b"]) == {:ok, "a/b"}
    assert Py.call(:os, "path.basename", ["a/b"]) == {:ok, "b"}
    assert Py.call(:builtins, "str.upper", ["x"]) == {:ok, "X"}
    for _ <- 1..2, do: assert(Py.call(:os, :"path.basename", ["a/b"]) == {:ok, "b"})
  end

  test "a name means what it stands for at the time of the call" do
    context = start_context()
    call = fn -> Py.call(:changing, :which, [], context: context) end

    for {module, function} <- [{1, 1}, {1, 2}, {2, 3}] do
      :ok =
        Py.exec(
          """
          import sys, types
          module = sys.modules.get("changing")
          if module is None or module.number != #{module}:
              module = sys.modules["changing"] = types.ModuleType("changing")
              module.number = #{module}
          module.which = lambda: (#{module}, #{function})
          """,
          context: context
        )

      for _ <- 1..2, do: assert(call.() == {:ok, {module, function}})
    end

    :ok = Py.exec("del sys.modules['changing']", context: context)
    assert {:error, %Py.Error{type: "ModuleNotFoundError"}} = call.()
  end

  test "vars are a map or a keyword list" do
    assert Py.eval("a + b", a: 1, b: 2) == {:ok, 3}
    assert Py.eval("a + b", %{"a" => 1, b: 2}) == {:ok, 3}
  end

  test "64 processes at once get their own answers" do
    1..64
    |> Enum.map(fn n ->
      Task.async(fn -> {n, for(i <- 1..50, do: Py.eval!("n * i", n: n, i: i))} end)
    end)
    |> Task.await_many(60_000)
    |> Enum.each(fn {n, products} -> assert products == for(i <- 1..50, do: n * i) end)
  end
end
