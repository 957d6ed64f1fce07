defmodule Py.BufferTest do
  use Py.Case, async: true

  doctest Py.Buffer

  test "Python cannot write to it" do
    assert {:error, %Py.Error{type: "TypeError"}} =
             Py.eval("memoryview(b)[0] = 1\nb", %{b: Py.buffer("abc")})
  end

  test "it works wherever bytes do" do
    assert Py.call(:hashlib, :sha256, [Py.buffer("abc")], return: :object)
           |> elem(1)
           |> Py.Object.call_method(:hexdigest) ==
             {:ok, Base.encode16(:crypto.hash(:sha256, "abc"), case: :lower)}

    assert Py.call(:zlib, :crc32, [Py.buffer("abc")]) == {:ok, :erlang.crc32("abc")}
  end

  test "it outlives the process that made it" do
    context = start_context()

    isolated(fn ->
      :ok = Py.exec("import builtins", context: context)

      {:ok, _} =
        Py.call(:builtins, :setattr, [module(context), "kept", large()], context: context)
    end)

    :erlang.garbage_collect()

    assert Py.eval("bytes(builtins.kept) == b'ab' * 500_000", %{}, context: context) ==
             {:ok, true}
  end

  defp module(context), do: Py.eval!("builtins", %{}, context: context)
  defp large, do: Py.buffer(:binary.copy("ab", 500_000))
end
