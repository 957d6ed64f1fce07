defmodule Py.Case.Arrays do
  @moduledoc "What numpy's arrays are to Elixir. Runs in a `Py.Child` whose Python has numpy."

  @doc "Runs all of it in that mode. A match that fails ends the child, and with it the test."
  def try_out(mode) do
    :ok = Application.stop(:erlang_python)
    :ok = Application.put_env(:erlang_python, :mode, mode)
    :ok = Application.start(:erlang_python)

    for work <- [&there/0, &back/0, &layouts/0, &types/0, &large/0], do: work.()
    :done
  end

  defp there do
    floats = for n <- 1..1000, into: <<>>, do: <<n / 4::float-native-64>>
    {:ok, array} = Py.call(:numpy, :frombuffer, [Py.buffer(floats)], kwargs: [dtype: "f8"])
    {:ok, 125_125.0} = Py.call(array, :sum)
    {:ok, false} = Py.Object.getattr(Py.Object.getattr!(array, :flags), :writeable)
    # Nothing was copied on the way in, so the way back finds the same bytes.
    {:ok, ^floats} = Py.Object.to_binary(array)
  end

  defp back do
    {:ok, array} = Py.call(:numpy, :arange, [6], kwargs: [dtype: "i4"])
    {:ok, array} = Py.Object.call_method(array, :reshape, [2, 3])
    {:ok, info} = Py.Object.buffer_info(array)

    %{
      shape: {2, 3},
      strides: {12, 4},
      format: "i",
      itemsize: 4,
      nbytes: 24,
      readonly: false,
      contiguous: true
    } = info

    expected = for n <- 0..5, into: <<>>, do: <<n::signed-native-32>>
    {:ok, ^expected} = Py.Object.to_binary(array)
  end

  # Transposed and sliced ones are put in order on the way.
  defp layouts do
    {:ok, array} = Py.eval("import numpy\nnumpy.arange(6, dtype='u1').reshape(2, 3)")

    for {code, shape, bytes} <- [
          {"T", {3, 2}, <<0, 3, 1, 4, 2, 5>>},
          {"__getitem__((slice(None), slice(None, None, 2)))", {2, 2}, <<0, 2, 3, 5>>},
          {"__getitem__(slice(None, None, -1))", {2, 3}, <<3, 4, 5, 0, 1, 2>>}
        ] do
      {:ok, view} =
        Py.eval("array.#{code}", %{array: array}, context: array.context, return: :object)

      {:ok, %{shape: ^shape, contiguous: false, nbytes: nbytes}} = Py.Object.buffer_info(view)
      true = nbytes == byte_size(bytes)
      {:ok, ^bytes} = Py.Object.to_binary(view)
    end
  end

  defp types do
    for {dtype, format, size} <- [
          {"f4", "f", 4},
          {"c16", "Zd", 16},
          {"?", "?", 1},
          {"u2", "H", 2}
        ] do
      {:ok, array} = Py.call(:numpy, :zeros, [{}], kwargs: [dtype: dtype])
      {:ok, %{shape: {}, format: ^format, itemsize: ^size}} = Py.Object.buffer_info(array)
      {:ok, binary} = Py.Object.to_binary(array)
      true = binary == <<0::size(size)-unit(8)>>
    end

    {:ok, objects} = Py.call(:numpy, :array, [[nil, "a"]])
    {:ok, %{format: "O"}} = Py.Object.buffer_info(objects)
    {:error, %Py.Error{type: "TypeError"}} = Py.Object.to_binary(objects)

    record = [{"Open", "f8"}, {"n", "i2"}]
    {:ok, records} = Py.call(:numpy, :zeros, [2], kwargs: [dtype: record])
    {:ok, %{itemsize: 10, shape: {2}}} = Py.Object.buffer_info(records)
    {:ok, <<0::160>>} = Py.Object.to_binary(records)
  end

  defp large do
    data = :rand.bytes(4_000_000)
    {:ok, array} = Py.call(:numpy, :frombuffer, [Py.buffer(data)], kwargs: [dtype: "u1"])
    {:ok, ^data} = Py.Object.to_binary(array)
    {:ok, doubled} = Py.Object.call_method(array, :repeat, [2])
    {:ok, binary} = Py.Object.to_binary(doubled)
    8_000_000 = byte_size(binary)
    true = binary_part(binary, 0, 2) == :binary.copy(binary_part(data, 0, 1), 2)
  end
end
