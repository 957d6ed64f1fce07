defmodule Py.Channel do
  @moduledoc """
  An ordered stream of messages between processes and Python code.

  A channel is passed to Python as an argument or in a message, where it is an
  `erlang.channel.Channel`. Anybody who has it may send, and anybody may receive: each message
  goes to one receiver, whoever has been waiting longest, so several of them share the work.
  For an answer, use a second channel, or pass a pid along (`erlang.send`).

      iex> {:ok, channel} = Py.Channel.new()
      iex> for n <- 1..3, do: :ok = Py.Channel.send(channel, n)
      iex> :ok = Py.Channel.close(channel)
      iex> Py.eval!("[n * n for n in channel]", %{channel: channel})
      [1, 4, 9]

  And the other way:

      iex> {:ok, channel} = Py.Channel.new()
      iex> Py.exec(\"""
      ...> def count(channel, most):
      ...>     for n in range(most):
      ...>         channel.send(n)
      ...>     channel.close()
      ...> \""")
      iex> Py.cast(:__main__, :count, [channel, 3])
      iex> Enum.to_list(channel)
      [0, 1, 2]

  ## Bounds

  What is queued is limited by `:max_size`, in bytes: each value counts 8, and binaries their
  bytes besides. Whatever its size, an empty channel takes one message. `send/2` never waits and
  answers `:busy` when there is no room; `send/3` waits for it. Where a receiver waits, messages
  take up no room.

  Messages are converted when Python receives them, so a term that Python cannot have, such as an
  object of another context, raises `TypeError` there. Binaries over 64 bytes are shared and not
  copied into the channel. Python copies them once, into a `str` or `bytes`; `Py.buffer/1` around
  a large one avoids that, too.

  ## The end

  A channel has an owner, the process that makes it unless `:owner` says otherwise, and is closed
  when that dies. Channels that Python code makes belong to its context. From a closed channel
  what is queued can still be received; after that, receivers get `{:error, :closed}`, and in
  Python `erlang.ChannelClosed` or the end of the loop.

  A channel lives on the node where it was made, and can be used only there.
  """

  import Kernel, except: [send: 2]

  alias Py.Encoder.Walk
  alias Py.{Native, Options}

  @type t :: %__MODULE__{ref: reference}

  @enforce_keys [:ref]
  defstruct [:ref]

  @doc """
  Makes a channel.

  ## Options

  #{Options.docs(:channel)}
  ## Example

      iex> {:ok, channel} = Py.Channel.new(type: :bytes, max_size: 1_000_000)
      iex> Py.Channel.send(channel, [<<1, 2>>, "abc"])
      :ok
      iex> Py.eval!("channel.receive() == b'\\\\x01\\\\x02abc'", %{channel: channel})
      true

  """
  @spec new(keyword) :: {:ok, t}
  def new(opts \\ []) do
    %{type: type, max_size: max_size, owner: owner} = Options.parse!(:channel, opts)
    {:ok, Native.channel_new(type, limit(max_size), owner || self())}
  end

  @doc """
  Sends a message if there is room for it. Never waits.

      iex> {:ok, channel} = Py.Channel.new(max_size: 100)
      iex> Py.Channel.send(channel, String.duplicate("x", 60))
      :ok
      iex> Py.Channel.send(channel, String.duplicate("x", 60))
      :busy

  """
  @spec send(t, term) :: :ok | :busy | {:error, :closed}
  def send(%__MODULE__{ref: ref}, term) do
    case Native.channel_send(ref, term, false) do
      :encode -> here(Native.channel_send(ref, Walk.value(term), true))
      answer -> here(answer)
    end
  end

  @doc """
  Sends a message, waiting for room.

  Those who wait get in in the order in which they came. The answer after `timeout:` milliseconds
  is `:busy`, and the message is not in the channel.

      iex> {:ok, channel} = Py.Channel.new(max_size: 10)
      iex> Py.Channel.send(channel, 1)
      iex> Py.Channel.send(channel, 2, timeout: 10)
      :busy

  """
  @spec send(t, term, timeout: timeout) :: :ok | :busy | {:error, :closed}
  def send(%__MODULE__{ref: ref}, term, opts) do
    %{timeout: timeout} = Options.parse!(:channel_wait, opts)
    tag = make_ref()

    answer =
      with :encode <- Native.channel_send_later(ref, term, false, tag),
           do: Native.channel_send_later(ref, Walk.value(term), true, tag)

    case answer do
      {:wait, waiter} -> wait(waiter, tag, timeout, :busy)
      answer -> here(answer)
    end
  end

  @doc """
  Waits for a message, for `timeout:` milliseconds at most (default: 30,000; `:infinity` is
  allowed, and 0 is not to wait).

      iex> {:ok, channel} = Py.Channel.new()
      iex> Py.Channel.receive(channel, timeout: 0)
      {:error, :timeout}
      iex> Py.eval("channel.send({'n': 1})", %{channel: channel})
      iex> Py.Channel.receive(channel)
      {:ok, %{"n" => 1}}

  """
  @spec receive(t, timeout: timeout) :: {:ok, term} | {:error, :closed | :timeout}
  def unquote(:receive)(%__MODULE__{ref: ref}, opts \\ []) do
    %{timeout: timeout} = Options.parse!(:channel_wait, opts)
    tag = make_ref()

    case if(timeout == 0, do: Native.channel_take(ref), else: Native.channel_receive(ref, tag)) do
      {:wait, waiter} -> wait(waiter, tag, timeout, {:error, :timeout})
      :empty -> {:error, :timeout}
      answer -> here(answer)
    end
  end

  @doc """
  Has the channel's messages sent to the calling process.

  They come as `{:py_channel, subscription, {:data, term}}`, and after the last one comes
  `{:py_channel, subscription, :closed}`. With `demand: n` no more than so many come until `ask/3`
  is called; the others stay in the channel, which is how senders notice a slow receiver. Without,
  the channel is never full. Several subscribers take turns.

  ## Options

  #{Options.docs(:channel_subscribe)}
  ## Example

      iex> {:ok, channel} = Py.Channel.new()
      iex> {:ok, subscription} = Py.Channel.subscribe(channel)
      iex> Py.eval("channel.send('hello')", %{channel: channel})
      iex> receive do: ({:py_channel, ^subscription, {:data, text}} -> text)
      "hello"

  """
  @spec subscribe(t, keyword) :: {:ok, reference}
  def subscribe(%__MODULE__{ref: ref}, opts \\ []) do
    %{demand: demand} = Options.parse!(:channel_subscribe, opts)
    subscription = make_ref()
    :ok = here(Native.channel_subscribe(ref, subscription, limit(demand)))
    :ok = feed(ref)
    {:ok, subscription}
  end

  @doc """
  Asks for so many more messages of a subscription, or for all with `:infinity`.

      iex> {:ok, channel} = Py.Channel.new()
      iex> {:ok, subscription} = Py.Channel.subscribe(channel, demand: 1)
      iex> Py.Channel.ask(channel, subscription, 10)
      :ok

  """
  @spec ask(t, reference, pos_integer | :infinity) :: :ok | {:error, :not_found}
  def ask(%__MODULE__{ref: ref}, subscription, demand)
      when demand == :infinity or (is_integer(demand) and demand > 0) do
    with :ok <- here(Native.channel_ask(ref, subscription, limit(demand))), do: feed(ref)
  end

  @doc """
  Ends a subscription. Messages that are in the mailbox by then stay there.

      iex> {:ok, channel} = Py.Channel.new()
      iex> {:ok, subscription} = Py.Channel.subscribe(channel)
      iex> Py.Channel.unsubscribe(channel, subscription)
      :ok

  """
  @spec unsubscribe(t, reference) :: :ok | {:error, :not_found}
  def unsubscribe(%__MODULE__{ref: ref}, subscription),
    do: here(Native.channel_unsubscribe(ref, subscription))

  @doc """
  Closes the channel: nothing more can be sent, and what is queued can still be received.

      iex> {:ok, channel} = Py.Channel.new()
      iex> Py.Channel.close(channel)
      :ok
      iex> Py.Channel.send(channel, 1)
      {:error, :closed}

  """
  @spec close(t) :: :ok
  def close(%__MODULE__{ref: ref}), do: here(Native.channel_close(ref))

  @doc """
  How it is: `:size` and `:max_size` in bytes, the number of `:messages` queued, how many
  `:receivers` wait for a message and how many `:senders` for room, whether it is `:closed`, and
  its `:type`.

      iex> {:ok, channel} = Py.Channel.new()
      iex> Py.Channel.send(channel, "four")
      iex> %{size: size, messages: 1, closed: false} = Py.Channel.info(channel)
      iex> size
      12

  """
  @spec info(t) :: %{
          size: non_neg_integer,
          max_size: pos_integer | :infinity,
          messages: non_neg_integer,
          receivers: non_neg_integer,
          senders: non_neg_integer,
          closed: boolean,
          type: :term | :bytes
        }
  def info(%__MODULE__{ref: ref}), do: here(Native.channel_info(ref))

  # A little at a time, as a scheduler is not to be held up.
  defp feed(ref) do
    with :more <- Native.channel_feed(ref), do: feed(ref)
  end

  # The waiter is what the channel knows us by: when nobody holds it any more, nobody waits.
  defp wait(waiter, tag, timeout, late) do
    receive do
      {^tag, answer} -> answer
    after
      timeout ->
        case Native.channel_cancel(waiter) do
          :cancelled -> late
          :replied -> receive do: ({^tag, answer} -> answer)
        end
    end
  end

  defp here(:remote),
    do:
      raise(ArgumentError, "this channel lives on another node; send to a process there instead")

  defp here(answer), do: answer

  defp limit(:infinity), do: nil
  defp limit(count), do: count
end
