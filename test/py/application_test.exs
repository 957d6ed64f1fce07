defmodule Py.ApplicationTest do
  use Py.Case, async: false

  alias Py.ContextError

  @moduletag timeout: 180_000
  @moduletag :capture_log

  setup do
    on_exit(fn -> {:ok, _} = Application.ensure_all_started(:erlang_python) end)
  end

  test "it stops and starts again, 50 times in one VM" do
    cycle = fn ->
      :ok = Application.stop(:erlang_python)
      assert Py.eval("1") == {:error, %ContextError{reason: :not_found}}
      :ok = Application.start(:erlang_python)
      assert Py.eval("1 + 1") == {:ok, 2}
    end

    for _ <- 1..5, do: cycle.()
    {threads, descriptors} = {threads(), descriptors()}
    for _ <- 1..45, do: cycle.()
    assert eventually(fn -> threads() <= threads end)
    assert descriptors() <= descriptors
  end

  test "it stops with work in flight, and everyone is answered" do
    callers =
      for _ <- 1..20, do: Task.async(fn -> for _ <- 1..100, do: Py.eval("sum(range(1000))") end)

    {:ok, 1} = Py.eval("1")
    :ok = Application.stop(:erlang_python)

    for answers <- Task.await_many(callers, 60_000), answer <- answers do
      assert match?({:ok, 499_500}, answer) or match?({:error, %ContextError{}}, answer)
    end
  end

  test "what belonged to the time before is closed" do
    object = Py.call!(:collections, :deque)
    :ok = Py.exec("x = 1")
    :ok = Application.stop(:erlang_python)
    :ok = Application.start(:erlang_python)
    assert {:error, %ContextError{reason: :closed}} = Py.Object.len(object)
    assert {:error, %ContextError{reason: :closed}} = Py.eval("x")
    assert {:error, %Py.Error{type: "NameError"}} = Py.eval("x")
  end

  test "the shared state goes when it stops" do
    :ok = Py.State.store(:stopped, 1)
    :ok = Application.stop(:erlang_python)
    :ok = Application.start(:erlang_python)
    assert Py.State.fetch(:stopped) == :error
  end

  test "a mode that cannot be is a clear failure to start" do
    :ok = Application.stop(:erlang_python)
    :ok = Application.put_env(:erlang_python, :mode, :warp)
    on_exit(fn -> Application.delete_env(:erlang_python, :mode) end)

    assert {:error, {{%Py.StartError{reason: :unsupported_mode}, []}, _}} =
             Application.start(:erlang_python)

    Application.delete_env(:erlang_python, :mode)
  end
end
