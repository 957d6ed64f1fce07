defmodule MigrationGuide.VersionsTest do
  use Py.Case.Guide

  test "each version of Python has the mode of the guide's table" do
    {mode, _} = erlang("py:execution_mode().")
    %{version_info: {3, minor, _patch}, free_threaded: free_threaded} = Py.info()

    expected =
      cond do
        free_threaded -> :free_threaded
        minor < 12 -> :multi_executor
        true -> :subinterp
      end

    assert mode == expected
  end

  test "which mode is active can be checked" do
    {mode, _} =
      erlang(~S"""
      %% Check execution mode
      py:execution_mode().
      """)

    assert mode in [:subinterp, :free_threaded, :multi_executor]

    {supported, _} =
      erlang(~S"""
      %% Check if subinterpreters are supported
      py:subinterp_supported().
      """)

    assert supported == not (Py.Case.older_than?({3, 12}) or Py.info().free_threaded)
  end

  test "sub-interpreters have the paths of Python and of the library" do
    for context <- elem(:py.start_contexts(), 1) do
      assert {:ok, true} = :py.eval(context, "import sys, json, erlang\nlen(sys.path) > 2")
    end
  end
end
