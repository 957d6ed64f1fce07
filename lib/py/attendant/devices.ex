defmodule Py.Attendant.Devices do
  @moduledoc false

  # Requests to IO devices that have not been answered yet, and the callbacks with which Python
  # waits until those from before have been. A request is known by the monitor of its device, so
  # that one that is gone counts as an answer.

  alias Py.{Native, Output}

  defstruct pending: MapSet.new(), flushes: []

  @type t :: %__MODULE__{
          pending: MapSet.t(reference),
          flushes: [{Native.callback(), MapSet.t(reference)}]
        }

  @doc "Nothing is under way."
  @spec new() :: t
  def new, do: %__MODULE__{}

  @doc "Sends text to a device; `nil` stands for one that does not exist."
  @spec write(t, pid | nil, binary) :: t
  def write(devices, nil, _binary), do: devices

  def write(devices, device, binary) do
    request = Process.monitor(device)
    chars = {:put_chars, :unicode, Output.text(binary)}
    send(device, {:io_request, self(), request, chars})
    %{devices | pending: MapSet.put(devices.pending, request)}
  end

  @doc "A request has been answered, or its device is gone."
  @spec written(t, reference) :: t
  def written(devices, request) do
    flushes =
      for {callback, waited} <- devices.flushes, do: {callback, MapSet.delete(waited, request)}

    {ready, waiting} =
      Enum.split_with(flushes, fn {_callback, waited} -> waited == MapSet.new() end)

    for {callback, _none} <- ready, do: reply(callback)
    %{devices | pending: MapSet.delete(devices.pending, request), flushes: waiting}
  end

  @doc "Answers a callback as soon as all requests so far have been answered."
  @spec flush(t, Native.callback()) :: t
  def flush(devices, callback) do
    if MapSet.size(devices.pending) == 0 do
      reply(callback)
      devices
    else
      %{devices | flushes: [{callback, devices.pending} | devices.flushes]}
    end
  end

  @doc "Answers a callback even though its devices have not answered."
  @spec give_up(t, Native.callback()) :: t
  def give_up(devices, callback) do
    case List.keytake(devices.flushes, callback, 0) do
      {{callback, _waited}, flushes} ->
        reply(callback)
        %{devices | flushes: flushes}

      nil ->
        devices
    end
  end

  @doc "The same for all of them."
  @spec give_up(t) :: :ok
  def give_up(devices),
    do: Enum.each(devices.flushes, fn {callback, _waited} -> reply(callback) end)

  defp reply(callback), do: Native.callback_reply(callback, {:ok, nil})
end
