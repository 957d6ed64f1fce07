defmodule Py.MemoryTest do
  # The sums are over everybody's contexts, and tracing is the whole process's.
  use Py.Case, async: false

  @knots """
  class Knot:
      def __init__(self): self.self = self
  def tie(count):
      import gc
      gc.disable()
      for _ in range(count): Knot()
  """

  for %{name: mode, supported: true} <- Py.Mode.all() do
    describe "in mode #{mode}" do
      setup do
        %{context: start_context(mode: unquote(mode))}
      end

      test "a context tells of its interpreter", %{context: context} do
        assert {:ok, stats} = Py.memory_stats(context: context)
        assert stats.interpreters == 1
        assert stats.tracked_objects > 1_000
        assert [_, _, _] = stats.gc_count
        assert [_ | _] = stats.gc_threshold
        assert [%{collections: _, collected: _, uncollectable: _} | _] = stats.gc_stats
        assert stats.traced_current == nil
        :ok = Py.exec("kept = [[] for _ in range(50_000)]", context: context)
        assert Py.memory_stats!(context: context).tracked_objects > stats.tracked_objects + 40_000
      end

      test "garbage is collected", %{context: context} do
        :ok = Py.exec(@knots, context: context)
        {:ok, nil} = Py.call(:__main__, :tie, [1_000], context: context)
        assert Py.gc!(context: context) >= 1_000
        assert {:ok, count} = Py.gc(context: context, generation: 0)
        assert count < 1_000
        :ok = Py.exec("import gc; gc.enable()", context: context)
      end

      test "who is busy is waited for as long as is said", %{context: context} do
        occupied = occupy(context)
        timeout = {:error, %Py.ContextError{reason: :timeout}}
        assert Py.memory_stats(context: context, timeout: 10) == timeout
        assert Py.gc(context: context, timeout: 10) == timeout
        release(occupied)
      end
    end
  end

  test "memory is traced in every interpreter, unless they have a GIL each" do
    if Py.Mode.fetch(:own_gil) |> elem(0) == :ok do
      assert {:error, %Py.Error{type: "RuntimeError", message: message}} = Py.tracemalloc_start(2)
      assert message =~ "tracemalloc.start is blocked"
      assert Py.tracemalloc_stop() == :ok
    else
      assert Py.tracemalloc_start(2) == :ok
      context = start_context()
      before = Py.memory_stats!().traced_current
      :ok = Py.exec("kept = bytes(20_000_000)", context: context)
      stats = Py.memory_stats!()
      assert stats.traced_current >= before + 10_000_000
      assert stats.traced_peak >= stats.traced_current
      assert Py.tracemalloc_stop() == :ok
      assert Py.memory_stats!().traced_current == nil
      assert {:error, %Py.Error{type: "ValueError"}} = Py.tracemalloc_start(0)
    end
  end

  test "without a context all interpreters are asked, each once" do
    before = Py.memory_stats!().interpreters
    for _ <- 1..3, do: start_context(mode: :worker)
    with_main = Py.memory_stats!().interpreters
    assert with_main in [before, before + 1]
    start_context()
    own = if Py.execution_mode() == :subinterp, do: 1, else: 0
    assert Py.memory_stats!().interpreters == with_main + own
    assert is_integer(Py.gc!())
  end

  test "the memory of the process is known on Linux" do
    resident = Py.memory_stats!().resident

    if :os.type() == {:unix, :linux},
      do: assert(resident > 10_000_000),
      else: assert(resident == nil)
  end

  test "mistakes are told" do
    assert_raise ArgumentError, ~r/3 is not a value for the option :generation/, fn ->
      Py.gc(3)
    end

    assert {:error, error} = Py.memory_stats(context: :nobody)
    assert error.reason == :not_found
  end
end
