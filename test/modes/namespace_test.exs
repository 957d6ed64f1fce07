defmodule Py.Modes.NamespaceTest do
  # So many processes leave no room for others.
  use Py.Case, async: false

  alias Py.Context

  @moduletag timeout: 180_000
  @processes 10_000
  @pool :many_namespaces

  # Objects that are counted for as long as they live.
  @marks """
  import sys, weakref

  if not hasattr(sys, "live_marks"):
      class Mark: pass
      sys.Mark, sys.live_marks = Mark, weakref.WeakSet()
  """

  # Adds up in C, which lets nobody else have the GIL meanwhile.
  @kept 200_000_000
  @keep "import itertools\nbegan()\nsum(itertools.repeat(1, #{@kept}))"

  @own "import sys\nmark = sys.Mark()\nsys.live_marks.add(mark)\nmine = id(mark)"

  for %{name: mode, supported: true} <- Py.Mode.all() do
    test "#{mode}: #{@processes} processes have a namespace each, and leave nothing behind" do
      {:ok, contexts} = Py.Router.start_pool(@pool, 2, mode: unquote(mode))
      on_exit(fn -> Py.Router.stop_pool(@pool) end)
      for context <- contexts, do: :ok = Context.exec(context, @marks)

      owner = self()
      processes = for _ <- 1..@processes, do: spawn_monitor(fn -> own_names(owner) end) |> ready()
      assert Enum.sum(for context <- distinct(contexts), do: live(context)) == @processes

      for {pid, _monitor} <- processes, do: send(pid, :see)
      for {pid, _monitor} <- processes, do: assert_receive({^pid, {:ok, true}}, 60_000)

      for {pid, monitor} <- processes,
          do: assert_receive({:DOWN, ^monitor, :process, ^pid, :normal}, 60_000)

      for context <- contexts, do: assert(eventually(fn -> live(context) == 0 end))
    end

    test "#{mode}: a process with a namespace ends while its context keeps the GIL" do
      {:ok, [context]} = Py.Router.start_pool(@pool, 1, mode: unquote(mode))
      on_exit(fn -> Py.Router.stop_pool(@pool) end)
      :ok = Context.exec(context, @marks)

      owner = self()
      # More than there are schedulers, so that none would be left if they waited.
      count = 20 * System.schedulers_online()
      processes = for _ <- 1..count, do: spawn_monitor(fn -> own_names(owner) end) |> ready()

      began = fn -> send(owner, :began) && nil end
      keeping = Task.async(fn -> Context.eval(context, @keep, %{began: began}) end)
      assert_receive :began, 20_000
      for {pid, _monitor} <- processes, do: Process.exit(pid, :kill)
      for {pid, _} <- processes, do: assert_receive({:DOWN, _, :process, ^pid, :killed}, 20_000)
      # What a process leaves behind is freed after it is said to be gone; then comes the next one
      # on its scheduler.
      for _ <- 1..count, do: Task.await(Task.async(fn -> :ok end))
      assert Task.yield(keeping, 0) == nil

      assert Task.await(keeping, 120_000) == {:ok, @kept}
      assert eventually(fn -> live(context) == 0 end)
    end
  end

  defp own_names(owner) do
    :ok = Py.exec(@own, pool: @pool)
    send(owner, {self(), :ready})
    receive do: (:see -> send(owner, {self(), Py.eval("mine == id(mark)", %{}, pool: @pool)}))
  end

  # One after the other, so that no queue has to take them all at once.
  defp ready({pid, monitor}) do
    assert_receive {^pid, :ready}, 60_000
    {pid, monitor}
  end

  defp live(context) do
    code = "import gc, sys\ngc.collect()\nlen(sys.live_marks)"
    {:ok, count} = Context.eval(context, code)
    count
  end

  # Contexts in the main interpreter have one `sys` for all of them.
  defp distinct([first | _] = contexts) do
    {:ok, %{mode: mode}} = Context.info(first)
    if mode in [:own_gil, :shared_gil], do: contexts, else: [first]
  end
end
