# Hex is not everywhere, but the seam is: where the library is not there, this has its functions
# as far as they are used here.
unless Code.ensure_loaded?(:telemetry) do
  defmodule :telemetry do
    @moduledoc false

    @handlers __MODULE__

    def attach_many(id, events, function, config) do
      handler = %{id: id, events: events, function: function, config: config}
      :persistent_term.put(@handlers, [handler | handlers()])
    end

    def detach(id),
      do: :persistent_term.put(@handlers, Enum.reject(handlers(), &(&1.id == id)))

    def execute(event, measurements, metadata) do
      for %{events: events} = handler <- handlers(), event in events do
        handler.function.(event, measurements, metadata, handler.config)
      end

      :ok
    end

    defp handlers, do: :persistent_term.get(@handlers, [])
  end
end

defmodule Py.Case.Events do
  @moduledoc "Sends telemetry events to a test."

  @doc "From now on the calling process gets `{event, measurements, metadata}`, till its test ends."
  def attach(events) do
    id = make_ref()
    :ok = :telemetry.attach_many(id, events, &__MODULE__.handle/4, self())
    ExUnit.Callbacks.on_exit(fn -> :telemetry.detach(id) end)
  end

  @doc false
  def handle(event, measurements, metadata, pid), do: send(pid, {event, measurements, metadata})
end
