defmodule Facade.PyTest do
  use Py.Case, async: false

  alias Py.Object

  describe "py:call" do
    test "in all its forms" do
      ctx = :py.context(1)
      assert :py.call(:math, :sqrt, [16]) == {:ok, 4.0}
      assert :py.call("math", "sqrt", [16]) == {:ok, 4.0}
      assert :py.call(~c"math", ~c"sqrt", [16]) == {:ok, 4.0}
      assert :py.call(ctx, :math, :sqrt, [16]) == {:ok, 4.0}
      assert :py.call(:builtins, :sorted, [[1, 2]], %{reverse: true}) == {:ok, [2, 1]}
      assert :py.call(:builtins, :sorted, [[1, 2]], reverse: true) == {:ok, [2, 1]}
      assert :py.call(:builtins, :sorted, [[1, 2]], %{"reverse" => true}, 5000) == {:ok, [2, 1]}
      assert :py.call(:builtins, :sorted, [[1, 2]], %{}, :infinity) == {:ok, [1, 2]}

      assert :py.call(ctx, :builtins, :sorted, [[1, 2]], %{
               kwargs: %{reverse: true},
               timeout: 5000
             }) ==
               {:ok, [2, 1]}

      start_context(name: __MODULE__.Named)
      assert :py.call(__MODULE__.Named, :math, :sqrt, [16]) == {:ok, 4.0}
    end

    test "gives none for None, and takes none and undefined for it" do
      assert :py.eval("None") == {:ok, :none}
      assert :py.eval("[None, {'k': None}]") == {:ok, [:none, %{"k" => :none}]}

      assert :py.eval("a is None and b is None and c is None", %{a: :none, b: :undefined, c: nil}) ==
               {:ok, true}

      assert Py.eval("None") == {:ok, nil}
      assert Py.eval("a is None", %{a: :none}) == {:ok, false}
    end
  end

  describe "py:eval and py:exec" do
    test "in all their forms" do
      ctx = :py.context(1)
      assert :py.eval("1 + 1") == {:ok, 2}
      assert :py.eval(~c"1 + 1") == {:ok, 2}
      assert :py.eval("x + 1", %{x: 1}) == {:ok, 2}
      assert :py.eval("x + 1", %{"x" => 1}, 5000) == {:ok, 2}
      assert :py.eval(ctx, "1 + 1") == {:ok, 2}
      assert :py.eval(ctx, "x + 1", %{x: 1}) == {:ok, 2}
      assert :py.exec("facade = 1") == :ok
      assert :py.eval("facade") == {:ok, 1}
      assert :py.exec(ctx, "counter = 0") == :ok
      assert :py.exec(ctx, "counter += 1") == :ok
      assert :py.eval(ctx, "counter") == {:ok, 1}
    end
  end

  describe "py:spawn_call, py:await and py:cast" do
    test "in all their forms" do
      ctx = :py.context(1)
      assert :py.await(:py.spawn_call(:math, :sqrt, [16])) == {:ok, 4.0}
      assert :py.await(:py.spawn_call(~c"math", "sqrt", [16]), 5_000) == {:ok, 4.0}
      assert :py.await(:py.spawn_call(ctx, :math, :sqrt, [16])) == {:ok, 4.0}

      for ref <- [
            :py.spawn_call(:builtins, :sorted, [[1, 2]], %{reverse: true}),
            :py.spawn_call(:builtins, :sorted, [[1, 2]], %{reverse: true}, 5_000),
            :py.spawn_call(ctx, :builtins, :sorted, [[1, 2]], %{kwargs: %{reverse: true}}),
            :py.spawn_call(:worker, :builtins, :sorted, [[1, 2]], %{reverse: true})
          ],
          do: assert(:py.await(ref) == {:ok, [2, 1]})

      ref = :py.spawn_call(:math, :sqrt, [-1])
      assert {:error, {:ValueError, _}} = :py.await(ref)
      assert :py.await(ref) == {:error, :not_found}
      ref = :py.spawn_call(:time, :sleep, [0.01])
      assert :py.cancel(ref) == :ok
      assert :py.await(ref) == {:error, :interrupted}
      assert :py.cancel(ref) == {:error, :not_found}

      assert :py.cast(:erlang, :send, [self(), :one]) == :ok
      assert_receive :one, 5_000
      assert :py.cast(ctx, :erlang, :send, [self(), :two]) == :ok
      assert_receive :two, 5_000
      assert :py.cast(:builtins, :sorted, [[1, 2]], %{reverse: true}) == :ok
    end

    test "py:parallel keeps the order" do
      assert :py.parallel([{:math, :sqrt, [16]}, {"math", ~c"sqrt", [-1]}, {:math, :sqrt, [9]}]) ==
               {:ok, [{:ok, 4.0}, {:error, {:ValueError, message()}}, {:ok, 3.0}]}
    end

    defp message do
      {:error, error} = Py.call(:math, :sqrt, [-1])
      error.message
    end
  end

  describe "streams" do
    test "are collected" do
      assert :py.stream(:builtins, :range, [3]) == {:ok, [0, 1, 2]}
      assert :py.stream(:builtins, :enumerate, [["a"]], %{start: 1}) == {:ok, [{1, "a"}]}
      assert :py.stream_eval("(None for _ in range(2))") == {:ok, [:none, :none]}
      assert :py.stream_eval(~c"(x * n for x in [1, 2])", %{n: 3}) == {:ok, [3, 6]}
      assert :py.stream_eval("[1 / n for n in [1, 0]]") |> elem(0) == :error

      assert :py.stream_eval("(1 / n for n in [1, 0])") ==
               {:error, {:ZeroDivisionError, "division by zero"}}
    end

    test "come as messages" do
      {:ok, ref} = :py.stream_start(:builtins, :range, [2])
      assert_receive {:py_stream, ^ref, {:data, 0}}, 5_000
      assert_receive {:py_stream, ^ref, {:data, 1}}, 5_000
      assert_receive {:py_stream, ^ref, :done}, 5_000

      {:ok, ref} = :py.stream_start(:builtins, :int, ["x"], %{owner: self()})
      assert_receive {:py_stream, ^ref, {:error, {:ValueError, _}}}, 5_000

      {:ok, ref} = :py.stream_start(:itertools, :count, [])
      assert :py.stream_cancel(ref) == :ok
    end
  end

  test "functions are registered for Python" do
    assert :py.register_function(:facade_list, fn [a, b] -> {a, b} end) == :ok
    assert :py.register_function(~c"facade_two", fn a, b -> a + b end) == :ok
    assert :py.register_function("facade_max", :lists, :max) == :ok

    code =
      "import erlang\n(erlang.facade_list(1, None), erlang.facade_two(1, 2), " <>
        "erlang.call('facade_max', [1, 3, 2]))"

    assert {:ok, {{1, _none}, 3, 3}} = :py.eval(code)

    for name <- [:facade_list, "facade_two", ~c"facade_max"],
        do: assert(:py.unregister_function(name) == :ok)

    assert {:error, {:AttributeError, _}} = :py.eval("__import__('erlang').facade_list(1)")
  end

  test "objects are refs" do
    {:ok, ref} = :py.call(:collections, :deque, [[1, 2]])
    assert :py.is_ref(ref)
    refute :py.is_ref(%{}) or :py.is_ref(1)
    assert :py.call_method(ref, :pop, []) == {:ok, 2}
    assert :py.call_method(ref, "append", [3]) == {:ok, :none}
    assert :py.getattr(ref, :maxlen) == {:ok, :none}
    assert {:ok, %Object{type: "collections.deque"}} = :py.to_term(ref)
    {:ok, list} = Py.eval("[1, None]", %{}, return: :object)
    assert :py.to_term(list) == {:ok, [1, :none]}
    assert :py_context.to_term(list) == {:ok, [1, :none]}
  end
end
