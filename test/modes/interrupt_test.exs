defmodule Py.Modes.InterruptTest do
  # An interrupt lands anywhere, also where code restores what it has changed. Whatever it hits,
  # the next request finds the context as it was.
  use Py.Case, async: false

  alias Py.{Context, ContextError}

  @timeout {:error, %ContextError{reason: :timeout}}

  # Each is done in some 10 ms. These are for Pythons with a GIL: without one an exception may land
  # where the next step of a task has just been taken up, or a lock, and then somebody waits for ever.
  @with_gil [
    """
    import asyncio
    async def go_round():
        for _ in range(200): await asyncio.sleep(0)
    async def main(): await asyncio.gather(*[go_round() for _ in range(20)])
    asyncio.run(main())
    """,
    """
    import asyncio, erlang
    async def items():
        for n in range(100):
            await asyncio.sleep(0)
            yield n
    async def main():
        async for _ in items(): pass
    for _ in range(10): erlang.run(main())
    """,
    """
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(3) as pool: list(pool.map(abs, range(200)))
    """
  ]

  @works [
    """
    import sys
    for name in [name for name in sys.modules if name.split(".")[0] == "email"]:
        del sys.modules[name]
    import email.message, email.policy
    """,
    """
    import contextlib
    @contextlib.contextmanager
    def manager(): yield
    for _ in range(20_000):
        with manager(): pass
    """
  ]

  for %{name: mode, supported: true} <- Py.Mode.all() do
    test "a context of mode #{mode} is as good as before" do
      context = start_context(mode: unquote(mode))

      works = if Py.info().free_threaded, do: @works, else: @with_gil ++ @works

      for work <- works, timeout <- 1..15 do
        answer = Context.eval(context, work <> "\n1", %{}, timeout: timeout)
        assert answer in [{:ok, 1}, @timeout]
        assert Context.eval(context, "1 + 1", %{}, timeout: 10_000) == {:ok, 2}
      end

      for work <- works do
        assert Context.eval(context, work <> "\n1", %{}, timeout: 20_000) == {:ok, 1}
      end
    end
  end
end
