defmodule Py.OptionsTest do
  use ExUnit.Case, async: true

  alias Py.Options

  test "defaults fill what is not given" do
    assert Options.parse!(:call, timeout: 5) ==
             %{
               as: nil,
               context: nil,
               inline: false,
               kwargs: [],
               pool: nil,
               return: :term,
               timeout: 5
             }

    assert Options.parse!(:getattr, []) == %{as: nil, return: :term, timeout: 30_000}
    assert Options.parse!(:getattr, default: nil).default == nil
  end

  test "a value that does not fit is named" do
    for {name, value} <- [
          timeout: -1,
          timeout: 1.5,
          context: 0,
          context: "name",
          pool: 1,
          kwargs: 1,
          as: 1,
          return: :json_like
        ] do
      assert_raise ArgumentError, ~r/option #{inspect(name)}/, fn ->
        Options.parse!(:call, [{name, value}])
      end
    end
  end

  test "every way to name a context is taken" do
    for context <- [self(), :name, 1, {:name, :node@host}, {:global, "x"}, {:via, Registry, {}}] do
      assert Options.parse!(:eval, context: context).context == context
    end
  end

  test "an unknown option is answered with the known ones" do
    assert_raise ArgumentError, ~r/:timout is not an option of call.*:timeout/, fn ->
      Py.call(:math, :sqrt, [1], timout: 5)
    end

    assert_raise ArgumentError, ~r/:kwargs is not an option of exec/, fn ->
      Py.exec("1", kwargs: [])
    end

    assert_raise ArgumentError, ~r/are a keyword list/, fn -> Py.exec("1", [1]) end
  end

  test "the documentation lists every option with its default" do
    assert Options.docs(:call) =~ "`:timeout`"
    assert Options.docs(:call) =~ "Default: `30000`"
    refute Options.docs(:exec) =~ "kwargs"
  end

  test "the application's environment has the same checks" do
    assert Options.env(:max_queue) == 10_000
    assert Options.env(:stack_size) == 16 * 1024 * 1024
    assert Options.env(:mode) in Py.Mode.names()
  end
end
