defmodule Py.EncoderTest do
  use Py.Case, async: true

  alias Py.Case.{Money, Point, User}

  test "a struct without an implementation is a dict of its fields" do
    assert Py.eval("value", %{value: %Point{x: 1, y: 2}}) == {:ok, %{"x" => 1, "y" => 2}}
  end

  test "an implementation decides, at any depth" do
    money = %Money{amount: 5, currency: :eur}
    point = %Point{x: money, y: %{prices: [money], set: MapSet.new([money])}}

    assert Py.eval("value", %{value: point}) ==
             {:ok,
              %{
                "x" => {5, "eur"},
                "y" => %{"prices" => [{5, "eur"}], "set" => MapSet.new([{5, "eur"}])}
              }}
  end

  test "a derived one keeps fields back" do
    assert Py.eval("value", %{value: %User{name: "Ada", password: "x"}}) ==
             {:ok, %{"name" => "Ada"}}
  end

  test "the native side is told which structs have one" do
    structs = Py.Encoder.Walk.encoders()
    assert Money in structs and User in structs
    refute Point in structs or Any in structs
  end

  test "encoding takes place before anything runs" do
    context = start_context()
    :ok = Py.exec("ran = []", context: context)
    money = %Money{amount: 5, currency: :eur}

    for {args, result} <- [{[money], {5, "eur"}}, {[[1, {money, 2}]], [1, {{5, "eur"}, 2}]}] do
      :ok = Py.exec("def take(x):\n    ran.append(1)\n    return x", context: context)
      assert Py.call(:__main__, :take, args, context: context) == {:ok, result}
    end

    assert Py.eval("len(ran)", %{}, context: context) == {:ok, 2}
  end

  test "what it answers with has to have a counterpart like anything else" do
    improper = %Money{amount: [1 | 2], currency: :eur}

    # The argument at 0, and what it was encoded as at 0.
    assert {:error, %Py.ConversionError{path: [0, 0], reason: :improper_list}} =
             Py.call(:builtins, :list, [improper])
  end

  test "a map that calls itself a struct is no reason to ask forever" do
    odd = %{:__struct__ => "Odd", "a" => 1}
    assert {:ok, _} = Py.eval("value", %{value: [odd, %Money{amount: 1, currency: :eur}]})
    nowhere = %{:__struct__ => NoSuchModule, :a => 1}
    assert Py.eval("value", %{value: nowhere}) == {:ok, %{"a" => 1}}
  end

  test "it applies to arguments, keyword arguments and objects" do
    money = %Money{amount: 5, currency: :eur}
    assert Py.call(:builtins, :list, [money]) == {:ok, [5, "eur"]}

    assert Py.call(:builtins, :dict, [], kwargs: [price: money]) ==
             {:ok, %{"price" => {5, "eur"}}}

    deque = Py.call!(:collections, :deque)
    assert Py.Object.call_method(deque, :append, [money]) == {:ok, nil}
    assert Py.Object.get_item(deque, 0) == {:ok, {5, "eur"}}
  end
end
