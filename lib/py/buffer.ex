defmodule Py.Buffer do
  @moduledoc """
  A binary that Python sees where it is, without a copy.

  In Python it is a read-only buffer: `memoryview(b)`, `bytes(b)`, `hashlib.sha256(b)` and
  everything else that takes a bytes-like object accept it. Worth it from some 64 kB on;
  `Py.bytes/1` copies and gives a true `bytes`. The binary stays alive for as long as Python
  holds the buffer. What comes back of it, whole or sliced, is the same binary or a part of it,
  without a copy.

  ## Example

      iex> data = :binary.copy("x", 1_000_000)
      iex> Py.eval!("len(memoryview(data))", %{data: Py.buffer(data)})
      1_000_000

  """

  @type t :: %__MODULE__{binary: binary}

  @enforce_keys [:binary]
  defstruct [:binary]

  @doc """
  Wraps a binary. `Py.buffer/1` is the same.

      iex> Py.Buffer.new("abc")
      %Py.Buffer{binary: "abc"}

  """
  @spec new(binary) :: t
  def new(binary) when is_binary(binary), do: %__MODULE__{binary: binary}
  def new(other), do: Py.Mistake.binary!(other)
end
