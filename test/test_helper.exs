# Which Python the suite ran with is the first thing one wants to know of a failure.
case Py.Runtime.Locator.locate() do
  {:ok, python} ->
    modes = for %{name: name, default: true} <- Py.Mode.all(), do: inspect(name)
    IO.puts("Python #{python.version_string} (#{python.executable}), mode #{Enum.join(modes)}")

  {:error, error} ->
    raise error
end

# The tests tagged :long take minutes; `mix test --include long` runs them too.
ExUnit.start(capture_log: true, exclude: [:long])
