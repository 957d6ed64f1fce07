defmodule Py.Application do
  @moduledoc false

  # Python first, since nothing below works without it. After that a later child depends on the
  # earlier ones: pools need the names of their processes.

  use Application

  alias Py.Router.{Pool, Registrations}

  @impl true
  def start(_type, _args) do
    case Py.Runtime.start() do
      :ok -> Supervisor.start_link(children(), strategy: :rest_for_one, name: Py.Supervisor)
      # In this shape Mix and release boot scripts print the exception's own message.
      {:error, error} -> {:error, {error, []}}
    end
  end

  # The pools take away their slots themselves unless they were killed. The shared state belongs
  # to no process.
  @impl true
  def stop(_state) do
    Enum.each(Pool.names(), &Pool.unpublish/1)
    Registrations.clear()
    Py.State.clear()
  end

  defp children do
    [
      {Task.Supervisor, name: Py.TaskSupervisor},
      Py.Callback.Registry,
      Py.Attendant,
      {Registry, keys: :unique, name: Py.Stream.Names},
      {DynamicSupervisor, name: Py.ContextSupervisor, strategy: :one_for_one},
      {Registry, keys: :unique, name: Py.Router.Names},
      Py.Router.Supervisor,
      Registrations
    ]
  end
end
