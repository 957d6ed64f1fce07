defmodule Py.Modes.ScaleTest do
  # Threads and descriptors belong to the whole OS process: nothing may run beside this.
  use Py.Case, async: false

  @moduletag timeout: 180_000
  @at_once 64
  @in_turn 256

  for %{name: mode, default: default, supported: true} <- Py.Mode.all() do
    test "#{mode}: #{@at_once} contexts open at once, each with its own names" do
      mode = unquote(mode)
      open_and_close(mode, 4)
      before = {threads(), descriptors()}

      contexts = open(mode, @at_once)
      assert Py.info().open_contexts >= @at_once
      for {context, n} <- contexts, do: assert(Py.Context.exec(context, "n = #{n}") == :ok)
      answers = in_parallel(contexts, fn {context, _n} -> Py.Context.eval(context, "n * n") end)
      assert answers == for({_context, n} <- contexts, do: {:ok, n * n})

      in_parallel(contexts, fn {context, _n} -> Py.Context.stop(context) end)
      assert back?(before)
    end

    unless default, do: @tag(:long)

    test "#{mode}: #{@in_turn} contexts opened and closed in turn" do
      mode = unquote(mode)
      open_and_close(mode, 4)
      before = {threads(), descriptors()}
      open_and_close(mode, @in_turn)
      assert back?(before)
    end
  end

  test "contexts of all modes open and close side by side" do
    modes = for %{name: mode, supported: true} <- Py.Mode.all(), do: mode
    open_and_close(hd(modes), 4)
    before = {threads(), descriptors()}

    modes
    |> in_parallel(fn mode -> for _ <- 1..8, do: open_and_close(mode, 2) end)
    |> Enum.each(&assert length(&1) == 8)

    assert back?(before)
  end

  defp open(mode, count),
    do: for(n <- 1..count, do: {elem({:ok, _} = Py.Context.new(mode: mode), 1), n})

  defp open_and_close(mode, count) do
    for n <- 1..count do
      {:ok, context} = Py.Context.new(mode: mode)
      assert Py.Context.eval(context, "n + 1", %{n: n}) == {:ok, n + 1}
      assert Py.Context.stop(context) == :ok
    end
  end

  defp in_parallel(list, fun),
    do: list |> Enum.map(&Task.async(fn -> fun.(&1) end)) |> Task.await_many(120_000)

  # Closing answers a little before the thread is gone.
  defp back?({threads, descriptors}),
    do: eventually(fn -> threads() <= threads and descriptors() <= descriptors end)
end
