defmodule Py.ContextErrorTest do
  use Py.Case, async: true

  doctest Py.ContextError

  test "every reason has a sentence of its own" do
    reasons = [
      :closed,
      :busy,
      :timeout,
      :interrupted,
      :not_found,
      :would_deadlock,
      :out_of_memory
    ]

    sentences = for reason <- reasons, do: Exception.message(%Py.ContextError{reason: reason})
    assert Enum.uniq(sentences) == sentences
    assert Exception.message(%Py.ContextError{reason: :other}) =~ ":other"
  end
end
