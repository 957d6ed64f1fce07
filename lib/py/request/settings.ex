defmodule Py.Request.Settings do
  @moduledoc false

  # What every request looks up before it goes anywhere, in one persistent term: a look costs a
  # request some 20 ns, which is a few hundredths of it, so it has one. Those whose business the
  # parts are write them, each through `update/2`.
  #
  # Replacing a persistent term makes the emulator look at every process's heap once, which a few
  # writes in the life of a node are worth.

  alias Py.Request.Inline
  alias Py.Router.{Pool, Registrations}

  @nothing %{telemetry: false, inline: %{}, registrations: %{}, slots: %{}}

  @type t :: %{
          telemetry: boolean,
          inline: Inline.table(),
          registrations: Registrations.table(),
          slots: %{Pool.name() => Pool.slots()}
        }

  @doc "All of them."
  @spec get() :: t
  def get, do: :persistent_term.get(__MODULE__, @nothing)

  @doc "Replaces one by what is made of it. Of all that do so at a time one comes after the other."
  @spec update(atom, (term -> term)) :: :ok
  def update(part, change) do
    # A name is a lock that nobody takes along when killed.
    {writer, monitor} = spawn_monitor(fn -> locked(fn -> put(part, change) end) end)
    receive do: ({:DOWN, ^monitor, :process, ^writer, :normal} -> :ok)
  end

  defp locked(work) do
    Process.register(self(), __MODULE__)
    work.()
  rescue
    ArgumentError ->
      monitor = Process.monitor(__MODULE__)
      receive do: ({:DOWN, ^monitor, :process, _other, _reason} -> locked(work))
  end

  defp put(part, change) do
    settings = get()
    :persistent_term.put(__MODULE__, %{settings | part => change.(settings[part])})
  end
end
