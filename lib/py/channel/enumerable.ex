defimpl Enumerable, for: Py.Channel do
  @moduledoc false

  # Receives until the channel is closed. What is left when a consumer stops early stays in it.

  def reduce(_channel, {:halt, acc}, _fun), do: {:halted, acc}
  def reduce(channel, {:suspend, acc}, fun), do: {:suspended, acc, &reduce(channel, &1, fun)}

  def reduce(channel, {:cont, acc}, fun) do
    case Py.Channel.receive(channel, timeout: :infinity) do
      {:ok, message} -> reduce(channel, fun.(message, acc), fun)
      {:error, :closed} -> {:done, acc}
    end
  end

  def count(_channel), do: {:error, __MODULE__}
  def member?(_channel, _message), do: {:error, __MODULE__}
  def slice(_channel), do: {:error, __MODULE__}
end
