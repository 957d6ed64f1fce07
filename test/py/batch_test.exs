defmodule Py.BatchTest do
  use Py.Case, async: true

  import ExUnit.CaptureIO

  alias Py.{Context, ContextError, ConversionError, Error}

  describe "map" do
    test "answers in the order of the elements, however many" do
      for count <- [0, 1, 2, 7, 5_000] do
        assert Py.map(1..count//1, :operator, :neg) == for(n <- 1..count//1, do: {:ok, -n})
      end
    end

    test "has an error in the place of what fails" do
      assert [{:ok, 3}, {:error, %Error{type: "TypeError"}}, {:ok, 0}] =
               Py.map(["abc", 5, ""], :builtins, :len)

      elements = Enum.to_list(1..200) ++ [<<1::3>>] ++ Enum.to_list(1..200)
      results = Py.map(elements, :builtins, :str)
      assert {:error, %ConversionError{reason: :bitstring}} = Enum.at(results, 200)
      assert Enum.count(results, &match?({:ok, _}, &1)) == 400
    end

    test "knows the options of a call" do
      context = start_context()
      :ok = Context.exec(context, "def power(x, by=1): return x ** by")
      opts = [context: context, kwargs: [by: 2]]
      assert Py.map(1..300, :__main__, :power, opts) == for(n <- 1..300, do: {:ok, n * n})
      assert [{:ok, %Py.Object{}} | _] = Py.map(1..10, :builtins, :str, return: :object)
      assert Py.map([1, 2], :builtins, :str, as: &String.to_integer/1) == [ok: 1, ok: 2]
    end

    test "encodes structs and takes objects to their context" do
      assert [{:ok, _}, {:ok, "7"}] =
               Py.map([%Py.Case.Money{amount: 3, currency: :eur}, 7], :builtins, :str)

      {:ok, list} = Py.eval("[1, 2, 3]", %{}, return: :object)
      assert Py.map([list, [1]], :builtins, :len) == [ok: 3, ok: 1]
    end

    test "calls a method of an object" do
      {:ok, list} = Py.eval("[]", %{}, return: :object)
      assert Py.map(1..50, list, :append) == List.duplicate({:ok, nil}, 50)
      assert Py.Object.to_term(list) == {:ok, Enum.to_list(1..50)}
    end

    test "lets Python call back, print and schedule" do
      :ok = Py.register_function(:batch_double, fn [n] -> n * 2 end)
      context = start_context()

      :ok =
        Context.exec(context, """
        import erlang
        def ask(n): return erlang.call("batch_double", n)
        def later(n): return erlang.schedule("batch_double", n)
        def again(n): return erlang.schedule_py("operator", "neg", [n])
        """)

      for {function, factor} <- [ask: 2, later: 2, again: -1] do
        assert Py.map(1..100, :__main__, function, context: context) ==
                 for(n <- 1..100, do: {:ok, factor * n})
      end

      assert capture_io(fn -> Py.map(1..3, :builtins, :print, context: context) end) ==
               "1\n2\n3\n"

      :error
    end

    test "ends when its time is over, and keeps what there is" do
      context = start_context()
      :ok = Context.exec(context, "def f(n):\n    while n > 2: pass\n    return n")
      timeout = {:error, %ContextError{reason: :timeout}}
      opts = [context: context, timeout: 1_000]
      assert [{:ok, 1}, {:ok, 2} | late] = Py.map([1, 2, 3, 4, 5, 6], :__main__, :f, opts)
      assert late == List.duplicate(timeout, 4)
      assert Context.eval(context, "1") == {:ok, 1}
      refute_received _
    end

    test "on a context that ends answers for every element" do
      context = start_context()
      :ok = Context.exec(context, "import os\ndef f(n): return n")
      Context.stop(context)
      results = Py.map(1..10, :__main__, :f, context: context)
      assert Enum.all?(results, &match?({:error, %ContextError{}}, &1))
      assert length(results) == 10
    end
  end

  describe "parallel" do
    test "keeps functions apart, and each call's options" do
      calls = [
        {:math, :sqrt, [16]},
        {:math, :sqrt, [25]},
        {:math, :gcd, [4, 6]},
        {:builtins, :sorted, [[1, 2]], kwargs: [reverse: true]},
        {:builtins, :sorted, [[1, 2]], kwargs: %{"reverse" => true}},
        {:math, :sqrt, ["x"]}
      ]

      assert [{:ok, 4.0}, {:ok, 5.0}, {:ok, 2}, {:ok, [2, 1]}, {:ok, [2, 1]}, {:error, %Error{}}] =
               Py.parallel(calls)
    end

    test "takes thousands" do
      calls = for n <- 1..3_000, do: {:operator, :add, [n, 1]}
      assert Py.parallel(calls) == for(n <- 1..3_000, do: {:ok, n + 1})
    end
  end
end
