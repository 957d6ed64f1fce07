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
