defmodule Py.Attendant.Devices do
  @moduledoc false

  # IO devices with one write each under way. What comes meanwhile waits here and is the next
  # write, so a slow device gets few large ones. The monitor of a device is the reference of the
  # write, so that a device that is gone counts as an answer. A flush is a callback with which
  # Python waits until the writes from before it are done.

  alias Py.{Native, Output}

  defstruct devices: %{}, requests: %{}, flushes: []

  @typep device :: %{write: reference, next: reference | nil, parts: iodata}

  @type t :: %__MODULE__{
          devices: %{pid => device},
          requests: %{reference => pid},
          flushes: [{Native.callback(), MapSet.t(reference)}]
        }

  @doc "Nothing is under way."
  @spec new() :: t
  def new, do: %__MODULE__{}

  @doc "Whether nothing is under way."
  @spec quiet?(t) :: boolean
  def quiet?(state), do: state.devices == %{}

  @doc "Writes to a device; `nil` stands for one that does not exist."
  @spec write(t, pid | nil, binary) :: t
  def write(state, nil, _binary), do: state

  def write(state, pid, binary) do
    case state.devices do
      %{^pid => device} ->
        device = %{device | next: device.next || make_ref(), parts: [device.parts | binary]}
        put_in(state.devices[pid], device)

      _idle ->
        send_to(state, pid, make_ref(), binary)
    end
  end

  @doc "A request has been answered, or its device is gone."
  @spec written(t, reference) :: t
  def written(state, request) do
    case Map.pop(state.requests, request) do
      {nil, _requests} ->
        state

      {pid, requests} ->
        {device, devices} = Map.pop!(state.devices, pid)
        state = %{done(state, device.write) | devices: devices, requests: requests}
        if device.next, do: send_to(state, pid, device.next, device.parts), else: state
    end
  end

  @doc "Answers a callback as soon as all writes so far are done."
  @spec flush(t, Native.callback()) :: t
  def flush(state, callback) do
    writes = for {_pid, device} <- state.devices, ref <- [device.write, device.next], ref, do: ref

    if writes == [] do
      reply(callback)
      state
    else
      %{state | flushes: [{callback, MapSet.new(writes)} | state.flushes]}
    end
  end

  @doc "Answers a callback even though its devices have not answered."
  @spec give_up(t, Native.callback()) :: t
  def give_up(state, callback) do
    case List.keytake(state.flushes, callback, 0) do
      {{callback, _writes}, flushes} ->
        reply(callback)
        %{state | flushes: flushes}

      nil ->
        state
    end
  end

  @doc "The same for all of them."
  @spec give_up(t) :: :ok
  def give_up(state), do: Enum.each(state.flushes, fn {callback, _writes} -> reply(callback) end)

  defp send_to(state, pid, write, parts) do
    request = Process.monitor(pid)
    text = parts |> IO.iodata_to_binary() |> Output.text()
    send(pid, {:io_request, self(), request, {:put_chars, :unicode, text}})
    device = %{write: write, next: nil, parts: []}

    %{
      state
      | devices: Map.put(state.devices, pid, device),
        requests: Map.put(state.requests, request, pid)
    }
  end

  defp done(state, write) do
    flushes =
      for {callback, writes} <- state.flushes, do: {callback, MapSet.delete(writes, write)}

    {ready, waiting} = Enum.split_with(flushes, fn {_callback, writes} -> Enum.empty?(writes) end)
    for {callback, _none} <- ready, do: reply(callback)
    %{state | flushes: waiting}
  end

  defp reply(callback), do: Native.callback_reply(callback, {:ok, nil})
end
