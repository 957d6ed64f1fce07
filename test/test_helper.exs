# Which Python the suite ran with is the first thing one wants to know of a failure. The tests run
# in its default mode, which comes first here; those in test/modes, and of cargo, in all of them.
case Py.Runtime.Locator.locate() do
  {:ok, python} ->
    rows = Enum.sort_by(Enum.filter(Py.Mode.all(), & &1.supported), &(not &1.default))
    modes = Enum.map_join(rows, ", ", &inspect(&1.name))
    IO.puts("Python #{python.version_string} (#{python.executable}), modes #{modes}")

  {:error, error} ->
    raise error
end

Py.Case.Records.add_handler()

# The tests tagged :long take minutes; `mix test --include long` runs them too.
ExUnit.start(capture_log: true, exclude: [:long])
