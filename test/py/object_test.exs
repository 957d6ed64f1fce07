defmodule Py.ObjectTest do
  use Py.Case, async: true

  alias Py.{ContextError, Object}

  doctest Py.Object

  defp deque(items \\ []), do: Py.call!(:collections, :deque, [items])

  test "it knows its type and context without asking Python" do
    context = start_context()
    object = Py.call!(:collections, :deque, [], context: context)
    assert %Object{type: "collections.deque", context: ^context} = object
    kill(context)
    assert inspect(object) == "#Py.Object<collections.deque>"
  end

  test "return: :object keeps any value in Python" do
    assert {:ok, %Object{type: "int"} = one} = Py.eval("1", %{}, return: :object)
    assert Object.to_term(one) == {:ok, 1}
    assert {:ok, %Object{type: "float"}} = Py.call(:math, :sqrt, [4], return: :object)

    assert {:ok, %Object{type: "int"}} =
             Object.len(deque(), []) |> then(fn _ -> Py.eval("2", %{}, return: :object) end)
  end

  test "an object goes to Python as itself" do
    object = deque([1])
    assert Py.call(:operator, :is_, [object, object]) == {:ok, true}
    assert Py.eval("queue.append(2) or len(queue)", %{queue: object}) == {:ok, 2}
    assert Py.call(:builtins, :len, [], kwargs: []) |> elem(0) == :error

    assert Py.call(:builtins, :dict, [], kwargs: [queue: object], return: :object) |> elem(0) ==
             :ok
  end

  test "an object inside a container finds its way too when the context is named" do
    object = deque([1])
    assert Py.eval("q[0][0]", %{q: [object]}, context: object.context) == {:ok, 1}
  end

  test "an object cannot leave its context" do
    object = Py.call!(:collections, :deque, [], context: start_context())
    assert {:error, error} = Py.eval("q", %{q: object}, context: start_context())
    assert %Py.ConversionError{direction: :to_python} = error
  end

  test "methods and items raise what Python raises" do
    object = deque()
    assert {:error, %Py.Error{type: "IndexError"}} = Object.call_method(object, :pop)
    assert {:error, %Py.Error{type: "IndexError"}} = Object.get_item(object, 3)
    assert {:error, %Py.Error{type: "AttributeError"}} = Object.getattr(object, :colour)
    assert {:error, %Py.Error{type: "TypeError"}} = Object.call(object)
    assert {:error, %Py.Error{type: "TypeError"}} = Object.len(Py.eval!("len"))
    assert_raise Py.Error, ~r/IndexError/, fn -> Object.get_item!(object, 3) end
  end

  test "keyword arguments reach callables and methods" do
    sorted = Py.eval!("sorted")
    assert Object.call(sorted, [[1, 3, 2]], kwargs: [reverse: true]) == {:ok, [3, 2, 1]}
    list = Py.eval!("[2, 3, 1]", %{}, return: :object)
    assert Object.call_method(list, :sort, [], kwargs: %{reverse: true}) == {:ok, nil}
    assert Object.to_term(list) == {:ok, [3, 2, 1]}
    assert Py.call(list, :index, [1]) == {:ok, 2}
  end

  test "items can be set by key" do
    dict = Py.eval!("{}", %{}, return: :object)
    assert Object.set_item(dict, "key", [1, 2]) == :ok
    assert Object.get_item(dict, "key") == {:ok, [1, 2]}
    assert {:error, %Py.Error{type: "KeyError"}} = Object.get_item(dict, "other")
  end

  test "attributes can be objects of their own" do
    object = Py.eval!("__import__('types').SimpleNamespace(inner=[1])", %{}, return: :object)
    assert {:ok, %Object{type: "list"} = inner} = Object.getattr(object, :inner, return: :object)
    assert Object.call_method(inner, :append, [2]) == {:ok, nil}
    assert Object.getattr(object, "inner") == {:ok, [1, 2]}
  end

  test "text and looks come from Python" do
    object = deque(["a"])
    assert Object.repr(object) == {:ok, "deque(['a'])"}
    assert to_string(object) == "deque(['a'])"
    assert {:ok, names} = Object.dir(object)
    assert "append" in names
  end

  test "a closed context answers for its objects" do
    context = start_context()
    object = Py.call!(:collections, :deque, [], context: context)
    :ok = Py.Context.stop(context)
    assert {:error, %ContextError{reason: :closed}} = Object.len(object)
    assert_raise ContextError, fn -> Object.len!(object) end
  end

  test "an object sent to another process works there" do
    object = deque([7])
    assert Task.await(Task.async(fn -> Object.get_item(object, 0) end)) == {:ok, 7}
  end

  test "objects that nobody holds are released" do
    context = start_context()
    count = fn -> Py.Context.info(context) |> elem(1) |> Map.fetch!(:objects) end
    before = count.()

    isolated(fn ->
      objects = for _ <- 1..100, do: Py.call!(:collections, :deque, [], context: context)
      assert length(objects) == 100
      assert count.() >= before + 100
    end)

    # The context lets go of them when it next runs something.
    assert eventually(fn ->
             Py.eval!("1", %{}, context: context)
             count.() == before
           end)
  end

  describe "with Enum" do
    test "an object gives what Python iterates over" do
      assert Enum.to_list(deque([1, 2, 3])) == [1, 2, 3]
      dict = Py.eval!("{'a': 1, 'b': 2}", %{}, return: :object)
      assert Enum.to_list(dict) == ["a", "b"]
      assert Enum.count(dict) == 2
      assert Enum.member?(dict, "a")
      refute "c" in dict
      assert Enum.at(deque([7, 8]), 1) == 8
      assert Enum.slice(deque([7, 8, 9]), 1, 2) == [8, 9]
    end

    test "an iterator is counted by going through it" do
      generator = Py.eval!("(n for n in range(5))", %{}, return: :object)
      assert Enum.count(generator) == 5
      assert Enum.count(generator) == 0
    end

    test "what cannot be iterated over raises" do
      assert_raise Py.Error, ~r/TypeError/, fn -> Enum.to_list(Py.eval!("len")) end
    end
  end

  describe "with Access" do
    test "items are read, changed and taken out" do
      dict = Py.eval!("{'a': {'b': 1}}", %{}, return: :object)
      assert dict["a"]["b"] == 1
      assert get_in(dict, ["a", "b"]) == 1
      assert dict["none"] == nil
      assert deque([1])[5] == nil
      assert put_in(dict["c"], 2)["c"] == 2
      assert Access.get_and_update(dict, "c", fn _ -> :pop end) == {2, dict}
      assert pop_in(dict["c"]) == {nil, dict}
      assert_raise Py.Error, ~r/TypeError/, fn -> deque([1])["a"] end
    end
  end

  test "objects are compared by Python" do
    [one, two] =
      for n <- 1..2,
          do:
            Py.eval!("__import__('fractions').Fraction(n)", %{n: n}, return: :object, context: 1)

    assert Object.compare(one, :<, two) == {:ok, true}
    assert Object.compare(one, :>=, two) == {:ok, false}
    assert Object.compare(one, :!=, 1) == {:ok, false}
    assert Object.equal?(one, 1)
    refute Object.equal?(one, two)
    assert {:error, %Py.Error{type: "TypeError"}} = Object.compare(one, :<, "x")
    assert_raise KeyError, fn -> Object.compare(one, :===, two) end
  end

  describe "Py.with" do
    @manager """
    class Manager:
        def __init__(self, suppresses=False):
            self.suppresses, self.seen = suppresses, []
        def __enter__(self):
            self.seen.append("in")
            return "entered"
        def __exit__(self, kind, error, traceback):
            self.seen.append(kind.__name__ if kind else "out")
            return self.suppresses
    """

    setup do
      context = start_context()
      :ok = Py.exec(@manager, context: context)
      %{make: fn args -> Py.Context.call(context, :__main__, :Manager, args) |> elem(1) end}
    end

    test "enters, runs and leaves", %{make: make} do
      manager = make.([])
      assert Py.with(manager, fn "entered" -> :value end) == :value
      assert Object.getattr(manager, :seen) == {:ok, ["in", "out"]}
    end

    test "tells of Python's exceptions as they were, and of Elixir's", %{make: make} do
      manager = make.([])
      fail = fn _ -> Py.eval!("{}['lost']", %{}, context: manager.context) end
      assert_raise Py.Error, ~r/KeyError/, fn -> Py.with(manager, fail) end
      assert_raise RuntimeError, "mine", fn -> Py.with(manager, fn _ -> raise "mine" end) end
      assert catch_throw(Py.with(manager, fn _ -> throw(:ball) end)) == :ball

      assert Object.getattr(manager, :seen) ==
               {:ok, ["in", "KeyError", "in", "CallbackError", "in", "CallbackError"]}
    end

    test "lets the manager deal with an exception", %{make: make} do
      manager = make.([true])
      assert Py.with(manager, fn _ -> raise "mine" end) == nil
      assert Object.getattr(manager, :seen) == {:ok, ["in", "CallbackError"]}
    end

    test "needs a context manager" do
      assert_raise Py.Error, ~r/AttributeError/, fn -> Py.with(deque(), & &1) end
    end
  end

  describe "the bytes of an object" do
    test "are those of what it shows through the buffer protocol" do
      for {code, bytes} <- [
            {"b'abc'", "abc"},
            {"bytearray(b'abc')", "abc"},
            {"memoryview(b'abcdef')[::2]", "ace"},
            {"__import__('array').array('B', [1, 2])", <<1, 2>>},
            {"b''", ""}
          ] do
        object = Py.eval!(code, %{}, return: :object)
        assert Py.Object.to_binary(object) == {:ok, bytes}
        assert %{nbytes: nbytes} = Py.Object.buffer_info!(object)
        assert nbytes == byte_size(bytes)
      end
    end

    test "are a copy, which does not change with the object" do
      array = Py.eval!("bytearray(b'a' * 100_000)", %{}, return: :object)
      {:ok, before} = Py.Object.to_binary(array)
      :ok = Py.Object.set_item(array, 0, ?z)
      assert before == :binary.copy("a", 100_000)
      assert Py.Object.to_binary(array) == {:ok, "z" <> binary_part(before, 1, 99_999)}
    end

    test "are none for what has no buffer" do
      object = Py.eval!("object()")

      for fun <- [&Py.Object.to_binary/1, &Py.Object.buffer_info/1],
          do: assert({:error, %Py.Error{type: "TypeError"}} = fun.(object))
    end
  end
end
