defmodule Py.Stream.Window do
  @moduledoc false

  # How many items a stream of messages may send. Nobody acknowledges what they receive, so what
  # still waits for the receiver is looked up in its mailbox.
  #
  # The length of a mailbox is known at once, and says enough while it is below the window. Beyond
  # that there may be messages of others in between, which the receiver may leave there for ever;
  # so those of the stream are counted. That takes a copy of the mailbox, which is why it is done
  # when the mailbox has become shorter, or else now and then, and in a small part of the time.

  # Milliseconds between two looks at a receiver that is behind, by where it is.
  @near 5
  @far 25

  # Milliseconds after which the messages are counted though the mailbox has not become shorter,
  # as others may have sent as many as the receiver has taken.
  @now_and_then 100

  # Counting takes no more than one part in so many of the time.
  @share 20

  # So many messages of others are too many to be copied. The stream goes on, an item at a time.
  @countable 100_000

  # Milliseconds for an answer from another node.
  @patience 1_000

  @enforce_keys [:owner, :ref, :size]
  # How many messages were others' when they were counted, and from when on they may be again.
  defstruct [:owner, :ref, :size, others: 0, next: 0]

  @type t :: %__MODULE__{
          owner: pid,
          ref: reference,
          size: pos_integer,
          others: non_neg_integer,
          next: integer
        }

  @doc "A window for the messages `{:py_stream, ref, _}` in a process's mailbox."
  @spec new(pid, reference, pos_integer) :: t
  def new(owner, ref, size), do: %__MODULE__{owner: owner, ref: ref, size: size, next: now()}

  @doc "How many items may be sent; if none, it is to be asked again after `pause/1`."
  @spec room(t) :: {non_neg_integer, t}
  def room(%{size: size, others: others, next: next} = window) do
    length = length_of(window)

    cond do
      length < size -> {size - length, window}
      now() < next -> {0, window}
      length - size > @countable -> {1, %{window | next: now() + @now_and_then}}
      length - others < size or now() >= next + @now_and_then -> counted(window)
      true -> {0, window}
    end
  end

  @doc "How many milliseconds later that is."
  @spec pause(t) :: pos_integer
  def pause(%{owner: owner}), do: if(node(owner) == node(), do: @near, else: @far)

  defp counted(%{owner: owner, ref: ref, size: size} = window) do
    start = now()
    {length, waiting} = on_its_node(owner, __MODULE__, :count, [owner, ref]) || {size, size}
    window = %{window | others: length - waiting, next: now() + @share * (now() - start)}
    # The copy of a long mailbox is not to be kept until this process happens to need memory.
    :erlang.garbage_collect()
    {max(size - waiting, 0), window}
  end

  @doc "How many messages a process of this node has, and how many of them are a stream's."
  @spec count(pid, reference) :: {non_neg_integer, non_neg_integer}
  def count(owner, ref) do
    case Process.info(owner, :messages) do
      {:messages, messages} ->
        {length(messages), Enum.count(messages, &match?({:py_stream, ^ref, _event}, &1))}

      nil ->
        {0, 0}
    end
  end

  # Of a process that has ended, or whose node has, a message will tell.
  defp length_of(%{owner: owner, size: size}) do
    case on_its_node(owner, :erlang, :process_info, [owner, :message_queue_len]) do
      {:message_queue_len, length} -> length
      :undefined -> 0
      nil -> size
    end
  end

  # `nil` if that node does not answer. One without this library cannot count.
  defp on_its_node(owner, module, function, arguments) when node(owner) == node(),
    do: apply(module, function, arguments)

  defp on_its_node(owner, module, function, arguments) do
    :erpc.call(node(owner), module, function, arguments, @patience)
  catch
    _kind, _reason -> nil
  end

  defp now, do: System.monotonic_time(:millisecond)
end
