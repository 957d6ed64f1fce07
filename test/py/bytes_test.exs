defmodule Py.BytesTest do
  use Py.Case, async: true

  # From here on the BEAM reads `bytes` where Python has them.
  @lent 64 * 1024

  for %{name: mode, supported: true} <- Py.Mode.all() do
    describe "#{mode}: large bytes" do
      setup do: %{context: start_context(mode: unquote(mode))}

      test "come whole, around the size from which they are lent", %{context: context} do
        for size <- [@lent - 1, @lent, @lent + 1, 5_000_000] do
          assert Py.eval("bytes(range(256)) * (n // 256) + b'x' * (n % 256)", %{n: size},
                   context: context
                 ) == {:ok, pattern(size)}
        end
      end

      test "may be held and taken apart when their context is gone", %{context: context} do
        code = "kept = b'abc' * 100_000\n(kept, [kept, bytes(kept)], {'k': kept})"
        {:ok, {one, [two, three], %{"k" => four}}} = Py.eval(code, %{}, context: context)
        part = binary_part(one, 299_998, 2)
        Py.Context.stop(context)
        for _ <- 1..3, do: Py.Context.stop(start_context(mode: unquote(mode)))

        expected = :binary.copy("abc", 100_000)
        for binary <- [one, two, three, four], do: assert(binary == expected)
        assert part == "bc"
        assert one <> "!" == expected <> "!"
      end

      test "go on to other processes and back to Python", %{context: context} do
        {:ok, data} = Py.eval("b'\\xff' * 200_000", %{}, context: context)
        task = Task.async(fn -> receive do: ({:data, data} -> :erlang.crc32(data)) end)
        send(task.pid, {:data, data})
        assert Task.await(task) == :erlang.crc32(:binary.copy(<<255>>, 200_000))

        for value <- [data, Py.buffer(data)] do
          assert Py.eval("bytes(d) == b'\\xff' * 200_000", %{d: value}, context: context) ==
                   {:ok, true}
        end
      end

      test "are released by Python when nobody holds them any more", %{context: context} do
        code = "import sys\ndata = bytes(1_000_000)\nsys.getrefcount(data)"
        {:ok, before} = Py.eval(code, %{}, context: context)
        count = fn -> Py.eval!("sys.getrefcount(data)", %{}, context: context) end

        isolated(fn ->
          held = for _ <- 1..10, do: Py.eval!("data", %{}, context: context)
          assert count.() == before + 10
          assert Enum.all?(held, &(byte_size(&1) == 1_000_000))
        end)

        assert eventually(fn -> count.() == before end)
      end
    end
  end

  test "the same bytes may be changed into others in Python" do
    code = "data = b'a' * 100_000\nfirst = data\ndata += b'b'\n[first, data]"
    assert {:ok, [first, second]} = Py.eval(code)
    assert first == :binary.copy("a", 100_000) and second == first <> "b"
  end

  defp pattern(size) do
    all = for byte <- 0..255, into: <<>>, do: <<byte>>
    :binary.copy(all, div(size, 256)) <> String.duplicate("x", rem(size, 256))
  end
end
