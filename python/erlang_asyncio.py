"""What was here is in the package ``erlang`` now; importing this says so."""

raise ImportError(
    "erlang_asyncio is part of erlang: import erlang, run coroutines with erlang.run(...), and use "
    "asyncio itself for the rest (asyncio.sleep, asyncio.gather, asyncio.wait_for)",
    name="erlang_asyncio",
)
