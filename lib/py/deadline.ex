defmodule Py.Deadline do
  @moduledoc false

  # When a time that was given will be over, for what waits more than once within it.

  @type t :: integer | :infinity

  @doc "When that many milliseconds will be over."
  @spec new(timeout) :: t
  def new(:infinity), do: :infinity
  def new(timeout), do: System.monotonic_time(:millisecond) + timeout

  @doc "How many milliseconds are left until then."
  @spec left(t) :: timeout
  def left(:infinity), do: :infinity
  def left(deadline), do: max(deadline - System.monotonic_time(:millisecond), 0)
end
