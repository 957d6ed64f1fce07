defmodule Py.Application do
  @moduledoc false

  # Python first, since nothing below works without it. After that a later child depends on the
  # earlier ones, so the router starts afresh when the pool's supervisor had to.

  use Application

  @impl true
  def start(_type, _args) do
    case Py.Runtime.start() do
      :ok -> Supervisor.start_link(children(), strategy: :rest_for_one, name: Py.Supervisor)
      # In this shape Mix and release boot scripts print the exception's own message.
      {:error, error} -> {:error, {error, []}}
    end
  end

  # The router's pool does this itself unless it was killed.
  @impl true
  def stop(_state), do: Py.Router.Pool.unpublish()

  defp children do
    [
      {Task.Supervisor, name: Py.TaskSupervisor},
      {DynamicSupervisor, name: Py.ContextSupervisor, strategy: :one_for_one},
      Py.Router.Pool.supervisor_spec(),
      Py.Router.Pool
    ]
  end
end
