# What `bench/start.exs` runs in a fresh BEAM, once for each figure. It prints microseconds.

defmodule Bench.Start.Nothing do
  @moduledoc false
  use Application

  @impl true
  def start(_type, _arguments), do: Supervisor.start_link([], strategy: :one_for_one)
end

defmodule Bench.Start.Child do
  @moduledoc false

  def run(arguments) do
    # What both need has been started before either.
    :ok = Application.load(:erlang_python)
    for name <- Application.spec(:erlang_python, :applications), do: start(name)

    keys = [vsn: [?1], applications: [:kernel, :stdlib, :elixir], mod: {Bench.Start.Nothing, []}]
    :ok = :application.load({:application, :bench_nothing, keys})

    timed("nothing", fn -> start(:bench_nothing) end)
    timed("library", fn -> start(:erlang_python) end)

    case arguments do
      [] ->
        timed("first", &call/0)
        timed("second", &call/0)
        for _ <- 1..100, do: call()
        timed("later", &call/0)

      ["ahead"] ->
        timed("contexts", fn -> {:ok, _contexts} = Py.start_contexts() end)
        timed("first_after", &call/0)
    end
  end

  defp start(name), do: {:ok, _started} = Application.ensure_all_started(name)
  defp call, do: {:ok, 4.0} = Py.call(:math, :sqrt, [16])

  defp timed(name, work) do
    {microseconds, _result} = :timer.tc(work)
    IO.puts("bench #{name} #{microseconds}")
  end
end

Bench.Start.Child.run(System.argv())
