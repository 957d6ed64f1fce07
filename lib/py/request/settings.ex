defmodule Py.Request.Settings do
  @moduledoc false

  # What every request looks up before it goes anywhere, in one persistent term: a look costs a
  # request some 20 ns, which is a few hundredths of it, so it has one. Those whose business the
  # parts are write them, each in turn.
  #
  # Replacing a persistent term makes the emulator look at every process's heap once, which a few
  # writes in the life of a node are worth.

  alias Py.Request.Inline
  alias Py.Router.{Pool, Registrations}

  # A table with nothing in it is `nil`, which takes no call of the emulator's to see.
  @nothing %{telemetry: false, inline: nil, registrations: nil, slots: nil}

  @type t :: %{
          telemetry: boolean,
          inline: Inline.table() | nil,
          registrations: Registrations.table() | nil,
          slots: %{Pool.name() => Pool.slots()} | nil
        }

  @doc "All of them."
  @spec get() :: t
  def get, do: :persistent_term.get(__MODULE__, @nothing)

  @doc "One of the tables."
  @spec table(:inline | :registrations | :slots) :: map
  def table(part), do: get()[part] || %{}

  @doc "Replaces a table by what is made of it."
  @spec update(:inline | :registrations | :slots, (map -> map)) :: :ok
  def update(part, change) do
    replace(fn settings ->
      changed = change.(settings[part] || %{})
      %{settings | part => if(changed == %{}, do: nil, else: changed)}
    end)
  end

  @doc "Says whether events are wanted for calls."
  @spec set_telemetry(boolean) :: :ok
  def set_telemetry(wanted?), do: replace(&%{&1 | telemetry: wanted?})

  # Of all that do so at a time one comes after the other. Who was killed meanwhile has somebody in
  # its place by now, or soon, whose word is the last.
  defp replace(change) do
    caller = self()

    {writer, monitor} =
      spawn_monitor(fn ->
        lock()
        if Process.alive?(caller), do: :persistent_term.put(__MODULE__, change.(get()))
      end)

    receive do
      {:DOWN, ^monitor, :process, ^writer, :normal} -> :ok
      {:DOWN, ^monitor, :process, ^writer, reason} -> exit(reason)
    end
  end

  # A name is a lock that nobody takes along when killed.
  defp lock do
    Process.register(self(), __MODULE__)
  rescue
    ArgumentError ->
      monitor = Process.monitor(__MODULE__)
      receive do: ({:DOWN, ^monitor, :process, _other, _reason} -> lock())
  end
end
