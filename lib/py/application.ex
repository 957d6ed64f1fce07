defmodule Py.Application do
  @moduledoc false

  # Python first, since nothing below works without it, then its packages. After that a later
  # child depends on the earlier ones: pools open contexts in tasks.

  use Application

  alias Py.Request.Inline
  alias Py.Router.{Pool, Registrations}

  @impl true
  def start(_type, _args) do
    with :ok <- Py.Runtime.start(),
         :ok <- Py.Venv.start(),
         :ok <- Py.Telemetry.setup(),
         :ok <- check_pools() do
      Enum.each(Py.Options.env(:inline), &Inline.register/1)
      # Each of these may crash now and then without taking the application along.
      options = [strategy: :rest_for_one, max_restarts: 10, max_seconds: 5, name: Py.Supervisor]
      Supervisor.start_link(children(), options)
    else
      # In this shape Mix and release boot scripts print the exception's own message.
      {:error, error} -> {:error, {error, []}}
    end
  end

  # The pools take away their slots themselves unless they were killed, and those that a user
  # supervises live on. The shared state belongs to no process.
  @impl true
  def stop(_state) do
    for name <- Pool.names(), Process.whereis(Pool.keeper(name)) == nil, do: Pool.unpublish(name)
    Registrations.clear()
    Inline.clear()
    Py.Tracer.disable()
    Py.State.clear()
  end

  # A pool that cannot be is a failure to start, not one of the first call.
  defp check_pools do
    Enum.find_value(Pool.configured(), :ok, fn {spec, _registered} ->
      with :ok <- Pool.check(spec), do: nil
    end)
  end

  defp children do
    [
      {Task.Supervisor, name: Py.TaskSupervisor},
      Py.Callback.Registry,
      Py.Attendant,
      Py.Tracer,
      names(Py.Stream.Names),
      {DynamicSupervisor, name: Py.ContextSupervisor, strategy: :one_for_one},
      Py.Router.Supervisor,
      Registrations
    ]
  end

  # A registry consists of two processes; the second is only found by its name.
  defp names(name) do
    spec = Registry.child_spec(keys: :unique, name: name)
    partition = Module.concat(name, "PIDPartition0")
    %{spec | id: name, start: {Py.Orphans, :start, [spec.start, [partition]]}}
  end
end
