defmodule PyTest do
  use Py.Case, async: true

  doctest Py

  test "the exact factorial of 100" do
    assert Py.call(:math, :factorial, [100]) == {:ok, Enum.product(1..100)}
  end

  test "an error carries type and traceback" do
    assert {:error, %Py.Error{type: "ZeroDivisionError", traceback: [_ | _]}} = Py.eval("1/0")
  end

  test "every verb has a twin that raises" do
    exports = Py.__info__(:functions)

    for verb <- [:call, :eval, :exec], {^verb, arity} <- exports do
      assert {:"#{verb}!", arity} in exports
    end
  end

  test "every public function is documented with an example and specified" do
    for module <- [Py, Py.Context, Py.Router, Py.Object, Py.Mode, Py.Buffer, Py.JSON] do
      {:docs_v1, _, _, _, _, _, docs} = Code.fetch_docs(module)
      {:ok, specs} = Code.Typespec.fetch_specs(module)
      specified = for {{name, arity}, _} <- specs, do: {name, arity}

      for {{:function, name, arity}, _, _, %{"en" => doc}, meta} <- docs,
          not String.ends_with?("#{name}", "!") do
        assert doc =~ "    " or doc =~ "The same",
               "#{inspect(module)}.#{name}/#{arity} has no example"

        defaults = Map.get(meta, :defaults, 0)

        assert Enum.any?((arity - defaults)..arity, &({name, &1} in specified)),
               "#{inspect(module)}.#{name}/#{arity} has no spec"
      end
    end
  end

  test "code runs in parallel where contexts have a GIL each" do
    one = Py.context(1)
    assert is_pid(one) and Py.eval("1", %{}, context: one) == {:ok, 1}
  end

  test "what is not Python code is refused at the door" do
    assert_raise ArgumentError, fn -> Py.eval(:code) end
    assert_raise ArgumentError, fn -> Py.call(:math, :sqrt, 16) end
  end
end
