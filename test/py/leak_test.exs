defmodule Py.LeakTest do
  # Memory, threads and descriptors belong to the whole OS process: nothing may run beside this.
  use Py.Case, async: false

  @moduletag :leak
  @moduletag timeout: 180_000

  @megabyte 1_048_576

  defp growth(fun) do
    before = resident_memory()
    fun.()
    :erlang.garbage_collect()
    if before, do: resident_memory() - before, else: 0
  end

  test "100,000 evals of the same code keep memory flat" do
    context = start_context()

    run = fn n ->
      isolated(fn ->
        Enum.each(1..n, fn _ -> Py.eval!("1 + 1", %{}, context: context) end)
      end)
    end

    run.(20_000)
    assert growth(fn -> run.(100_000) end) < 8 * @megabyte
  end

  test "100,000 evals of distinct code keep memory flat" do
    context = start_context()

    run = fn range ->
      isolated(fn -> Enum.each(range, &Py.eval!("1 + #{&1}", %{}, context: context)) end)
    end

    run.(1..20_000)
    assert growth(fn -> run.(20_001..120_000) end) < 16 * @megabyte
  end

  test "100,000 objects leave nothing behind in Python" do
    context = start_context()
    :ok = Py.exec("import gc, sys", context: context)

    make = fn n ->
      isolated(fn ->
        Enum.each(1..n, fn _ -> Py.call!(:collections, :deque, [], context: context) end)
      end)
    end

    # Python counts blocks of its own allocator only, which own-GIL interpreters do not use; what
    # its garbage collector knows is counted everywhere.
    held = fn ->
      code = "gc.collect()\n(sys.getallocatedblocks(), len(gc.get_objects()))"
      {blocks, objects} = Py.eval!(code, %{}, context: context)
      {:ok, %{objects: handles}} = Py.Context.info(context)
      blocks + objects + handles
    end

    make.(2_000)
    held.()
    before = held.()
    make.(100_000)
    assert eventually(fn -> held.() - before < 1_000 end)
  end

  test "5,000 namespaces of dead processes are released" do
    run = fn n ->
      Enum.each(1..n, fn _ ->
        isolated(fn -> :ok = Py.exec("data = list(range(1000))") end)
      end)
    end

    run.(500)
    assert growth(fn -> run.(5_000) end) < 16 * @megabyte
  end

  test "10,000 errors with their tracebacks are released" do
    context = start_context()

    run = fn n ->
      isolated(fn ->
        Enum.each(1..n, fn _ -> {:error, _} = Py.eval("1/0", %{}, context: context) end)
      end)
    end

    run.(2_000)
    assert growth(fn -> run.(10_000) end) < 16 * @megabyte
  end

  test "100,000 callbacks, spawned calls and casts keep memory flat" do
    context = start_context()

    :ok =
      Py.exec("def often(fun, count):\n    for _ in range(count): fun('x' * 100)",
        context: context
      )

    options = [context: context]

    run = fn n ->
      isolated(fn ->
        {:ok, nil} = Py.call(:__main__, :often, [fn text -> [text] end, n], options)

        for _ <- 1..div(n, 100) do
          refs = for _ <- 1..100, do: Py.spawn_call(:builtins, :len, [[1, 2]], options)
          for ref <- refs, do: {:ok, 2} = Py.await(ref)
          for _ <- 1..100, do: :ok = Py.cast(:builtins, :len, [[1, 2]], options)
          {:ok, 1} = Py.eval("1", %{}, options)
        end
      end)
    end

    run.(20_000)
    assert growth(fn -> run.(100_000) end) < 8 * @megabyte
  end

  test "2,000 streams, half of them left early, leave nothing behind in Python" do
    context = start_context()
    :ok = Py.exec("import gc", context: context)

    run = fn n ->
      isolated(fn ->
        for number <- 1..n do
          stream = Py.stream(:builtins, :iter, [Enum.to_list(1..50)], context: context, batch: 10)
          Enum.take(stream, if(rem(number, 2) == 0, do: 5, else: 100))
        end
      end)
    end

    held = fn ->
      objects = Py.eval!("gc.collect()\nlen(gc.get_objects())", %{}, context: context)
      {:ok, %{objects: handles}} = Py.Context.info(context)
      objects + handles
    end

    run.(200)
    held.()
    before = held.()
    run.(2_000)
    assert eventually(fn -> held.() - before < 200 end)
  end

  test "100 contexts opened and closed again, twice, leave no thread and no descriptor" do
    open_and_close(100)
    {threads, descriptors} = {threads(), descriptors()}
    open_and_close(100)
    assert eventually(fn -> threads() <= threads end)
    assert descriptors() <= descriptors
  end

  @tag :long
  @tag timeout: 900_000
  test "100 contexts opened and closed 20 times in a row leave no more" do
    open_and_close(100)
    {threads, descriptors} = {threads(), descriptors()}
    for _ <- 1..19, do: open_and_close(100)
    assert eventually(fn -> threads() <= threads end)
    assert descriptors() <= descriptors
  end

  test "contexts leave little memory behind" do
    open_and_close(20)
    grown = growth(fn -> for _ <- 1..3, do: open_and_close(20) end)
    # CPython itself keeps some of every sub-interpreter that ends.
    assert grown < 60 * @megabyte
  end

  defp open_and_close(count) do
    contexts = for _ <- 1..count, do: elem({:ok, _} = Py.Context.new(), 1)
    for context <- contexts, do: {:ok, 2} = Py.Context.eval(context, "1 + 1")

    contexts
    |> Enum.map(&Task.async(fn -> Py.Context.stop(&1) end))
    |> Task.await_many(:infinity)
  end
end
