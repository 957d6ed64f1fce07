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
end
