defmodule Py.Router.Supervisor do
  @moduledoc false

  # The pools. `:default`, `:worker` and those of the configuration are there from the start, others
  # join by `Py.Router.start_pool/3`. What a pool does badly is no other pool's business.

  use Supervisor

  alias Py.Router.Pool

  @doc false
  def start_link(_arg), do: Supervisor.start_link(__MODULE__, nil, name: __MODULE__)

  @impl true
  def init(nil) do
    pools = for {spec, _registered} <- Pool.configured(), do: Pool.child_spec(spec)
    Supervisor.init(pools, strategy: :one_for_one)
  end
end
