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

  test "it comes back as the same binary, and slices of it as parts of that" do
    data = :crypto.strong_rand_bytes(1_000_000)
    context = start_context()
    echo = fn code -> Py.eval!(code, %{b: Py.buffer(data)}, context: context) end

    for code <- ["b", "b[:]", "b.cast('I')", "memoryview(b)"] do
      assert echo.(code) == data
      assert same_memory?(echo.(code), data)
    end

    assert echo.("b[10:500_010]") == binary_part(data, 10, 500_000)
    assert same_memory?(echo.("b[10:500_010]"), data)
    assert echo.("b[5:5]") == ""
    assert echo.("b[-3:]") == binary_part(data, 999_997, 3)

    assert echo.("[b[0:2], {'k': b[2:4]}]") == [
             binary_part(data, 0, 2),
             %{"k" => binary_part(data, 2, 2)}
           ]
  end

  test "what is no longer in one piece is copied" do
    assert Py.eval("b[::2]", %{b: Py.buffer("abcdef")}) == {:ok, "ace"}
    assert Py.eval("b[::-1]", %{b: Py.buffer("abcdef")}) == {:ok, "fedcba"}
  end

  test "the empty one crosses, too" do
    assert Py.eval("b", %{b: Py.buffer("")}) == {:ok, ""}
  end

  test "one that Python has released is an error" do
    assert {:error, %Py.Error{type: "ValueError"}} =
             Py.eval("b.release()\nb", %{b: Py.buffer("abc")})
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

  # A binary that refers to a larger one says how large that is.
  defp same_memory?(binary, original),
    do: :binary.referenced_byte_size(binary) == byte_size(original)

  defp module(context), do: Py.eval!("builtins", %{}, context: context)
  defp large, do: Py.buffer(:binary.copy("ab", 500_000))
end
