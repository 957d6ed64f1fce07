defmodule Py.EventLoop.Tasks do
  @moduledoc false

  # Calls that answer with `{:async_result, ref, result}`. The reference is the native side's own
  # ticket, so nothing about a task is kept here. A value comes straight from Python; what takes
  # more than that (an exception to build, a function to go on with, another pool to try) goes
  # through a task of `Py.Attendant`, which then sends the message.

  alias Py.{ContextError, Native, Request}
  alias Py.Request.{Route, Spawned, Waiting}

  @type info :: %{
          op: Native.op(),
          options: map,
          format: Native.format(),
          shape: (Request.result() -> term)
        }

  @remote "tasks are for contexts of this node. Create it there, for example with :erpc.call/4, " <>
            "or use Py.spawn_call/4, which goes to any node"

  # An answer that has been given needs no longer than this to arrive.
  @arrival 5_000

  @doc "Starts an operation. `shape` makes of a result what the message has."
  @spec start(Native.op(), map, Native.format(), (Request.result() -> term)) :: reference
  def start(op, options, format, shape) do
    info = %{options: options, format: format, shape: shape}

    case Route.run(op, options, format, {:task, info, options.timeout}) do
      {:task, ref} -> ref
      result -> refused(shape.(result))
    end
  end

  @doc "The message of a task. When the time is over, the task is cancelled."
  @spec await(reference, timeout, (Request.result() -> term)) :: term
  def await(ref, timeout, shape) do
    Waiting.look(ref)

    receive do
      {:async_result, ^ref, result} -> result
    after
      timeout -> expire(ref, shape)
    end
  end

  @doc "Cancels a task. Its message is not in the mailbox afterwards and does not come."
  @spec cancel(reference) :: :ok
  def cancel(ref) do
    _late = take_back(ref)
    :ok
  end

  @doc "What is left to do for a task whose answer is no plain value."
  @spec ended(reference, pid, map, Native.op(), Native.answer()) :: :ok
  def ended(ref, owner, info, op, answer) do
    result = Spawned.settle(answer, op, info.options, info.format)
    send(owner, {:async_result, ref, info.shape.(result)})
    :ok
  end

  @doc "The error of a context on another node."
  @spec remote() :: {:error, ContextError.t()}
  def remote, do: {:error, %ContextError{reason: :not_found, details: @remote}}

  # Whoever waits for messages gets one in any case.
  defp refused(result) do
    ref = make_ref()
    send(self(), {:async_result, ref, result})
    ref
  end

  defp expire(ref, shape) do
    case take_back(ref) do
      {:ok, result} -> result
      :cancelled -> shape.(Waiting.timeout())
    end
  end

  defp take_back(ref) do
    case request_cancel(ref) do
      :cancelled -> message(ref, 0)
      :replied -> message(ref, @arrival)
    end
  end

  # A task that was refused has a reference of no more than this process's own.
  defp request_cancel(ref) do
    Native.request_cancel(ref)
  rescue
    ArgumentError -> :cancelled
  end

  defp message(ref, time) do
    receive do
      {:async_result, ^ref, result} -> {:ok, result}
    after
      time -> :cancelled
    end
  end
end
