defmodule Py.Modes.MemoryLimitTest do
  # What a context may take, in the modes that can tell how much that is.
  use Py.Case, async: true

  import Bitwise

  alias Py.{Context, ContextError}

  @limit 32 * 1024 * 1024
  # It stops a moment after it has exceeded the limit, and on a busy machine that is a long one.
  @endless "kept = []\nwhile True: kept.append(bytes(1000))"
  @exceeded {:error, %ContextError{reason: :out_of_memory}}

  # Where this library brings the allocator: see guides/errors-and-timeouts.md.
  defp counts?(mode) do
    own_gil = Enum.find(Py.Mode.all(), &(&1.name == :own_gil))

    own_gil.default and mode in [:own_gil, :shared_gil] and System.get_env("PYTHONMALLOC") == nil
  end

  for %{name: mode, supported: true} <- Py.Mode.all() do
    describe "in mode #{mode}" do
      test "code that takes more than its context may is stopped, or the limit refused" do
        mode = unquote(mode)
        Process.flag(:trap_exit, true)
        opened = Context.start_link(mode: mode, memory_limit: @limit)

        if counts?(mode) do
          {:ok, context} = opened
          exceed(context)
          exceed_step_by_step(context)
          exceed_inline(context)
          Context.stop(context)
        else
          assert {:error, %Py.StartError{} = error} = opened
          assert Exception.message(error) =~ "memory_limit cannot be kept here"
        end
      end
    end
  end

  defp exceed(context) do
    assert {:ok, %{memory: taken}} = Context.info(context)
    assert taken < @limit
    # Bit by bit, then in code that catches what it can, then all at once.
    assert Context.exec(context, "kept = []\nwhile True: kept.append(bytes(1000))") == @exceeded
    assert {:ok, %{memory: taken}} = Context.info(context)
    assert taken > @limit
    assert Context.exec(context, "del kept") == :ok

    stubborn = """
    kept = []
    for _ in range(2):
        try:
            while True: kept.append(bytes(1000))
        except BaseException:
            pass
    del kept
    """

    assert Context.exec(context, stubborn) == @exceeded
    # It may not have come to that itself.
    assert Context.exec(context, "kept = None") == :ok
    assert Context.eval(context, "bytes(1 << 26)") == @exceeded
    # Who is prepared for it goes on.
    code = "try:\n    bytes(1 << 26)\nexcept MemoryError:\n    seen = True\nseen"
    assert Context.eval(context, code) == {:ok, true}

    assert Context.eval(context, "sum(len(bytes(1000)) for _ in range(10 ** 5))") ==
             {:ok, 10 ** 8}

    # Another interruption keeps its own name.
    assert Context.exec(context, "while True: pass", timeout: 20) ==
             {:error, %ContextError{reason: :timeout}}
  end

  # Each of them is done before it can be interrupted.
  defp exceed_step_by_step(context) do
    :ok = Context.exec(context, "kept = []\ndef take(size=10_000): kept.append(bytes(size))")
    take = fn -> Context.call(context, :__main__, :take, []) end
    assert Context.eval(context, "1 + 1") == {:ok, 2}
    assert {@exceeded, taken} = take_until_it_fails(take, 0)
    assert taken in 2_000..3_500
    # There is some room for those who clear up, once.
    assert {@exceeded, more} = take_until_it_fails(take, 0)
    assert more in 50..150
    for _ <- 1..10, do: assert(take.() == @exceeded)
    # What leaves nothing behind, not even its code in a cache, is served as ever.
    assert Context.eval(context, "1 + 1") == {:ok, 2}

    # To clear up may take time, and memory.
    clear = "names = [str(n) for n in range(1_000)]\nfor _ in range(10 ** 6): pass\nkept.clear()"
    assert Context.exec(context, clear) == :ok
    assert Context.exec(context, "kept.append(bytes(1 << 24))") == :ok
    assert Context.exec(context, "kept.append(bytes(1 << 24))") == @exceeded
    megabytes = [1 <<< 20, 1 <<< 20]
    assert Py.map(megabytes, :__main__, :take, context: context) == [@exceeded, @exceeded]
    assert Context.exec(context, "kept.clear()") == :ok
  end

  defp take_until_it_fails(take, taken) do
    case take.() do
      {:ok, nil} -> take_until_it_fails(take, taken + 1)
      error -> {error, taken}
    end
  end

  # What runs on the caller's thread would not be counted, so nothing does here.
  defp exceed_inline(context) do
    endless = "kept = []\ndef take():\n    while True: kept.append(bytes(1000))"
    :ok = Context.exec(context, endless)
    assert Context.call(context, :__main__, :take, [], inline: true) == @exceeded
    :ok = Context.exec(context, "kept.clear()")
  end

  test "a limit is for its own context" do
    if counts?(:own_gil) do
      limited = start_context(memory_limit: @limit)
      free = start_context()
      assert Context.eval(free, "len([bytes(1000) for _ in range(50_000)])") == {:ok, 50_000}
      assert {:ok, %{memory: nil}} = Context.info(free)
      assert Context.exec(limited, @endless) == @exceeded
      assert Context.eval(limited, "1 + 1") == {:ok, 2}
    end
  end

  test "contexts of a pool can have one" do
    if counts?(:own_gil) do
      {:ok, _} = Py.Router.start_pool(:limited, 2, memory_limit: @limit)
      assert Py.eval(@endless <> "\n1", %{}, pool: :limited) == @exceeded
      assert Py.eval("1 + 1", %{}, pool: :limited) == {:ok, 2}
      :ok = Py.Router.stop_pool(:limited)

      start_supervised!({Py.Router, name: :supervised, size: 1, memory_limit: @limit})
      assert Py.eval(@endless <> "\n1", %{}, pool: :supervised) == @exceeded
    end
  end
end
