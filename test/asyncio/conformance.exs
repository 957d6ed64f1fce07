# Runs CPython's tests of asyncio in a context; the arguments are names such as test_streams.
#
# In the main interpreter, because the tests use modules that others cannot load on some versions.
{:ok, context} = Py.Context.start_link(mode: :worker)
:ok = Py.Context.exec(context, "import sys\nsys.path.insert(0, #{inspect(__DIR__)})")

case Py.Context.call(context, "conformance", "run", [System.argv()], timeout: :infinity) do
  {:ok, true} ->
    System.halt(0)

  {:ok, false} ->
    System.halt(1)

  {:error, error} ->
    IO.puts(:stderr, Exception.message(error))
    System.halt(2)
end
