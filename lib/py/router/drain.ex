defmodule Py.Router.Drain do
  @moduledoc false

  # Waits until contexts have done what they accepted. A queue is first come, first served, so an
  # empty request at its end is answered when all before it have been.

  alias Py.{Deadline, Native}
  alias Py.Request.Waiting

  # Between two looks at a context that answers while its job goes on, as an event loop does, or
  # whose queue is full.
  @pause 10

  @doc "Returns when all of them are idle or closed, or after so many milliseconds."
  @spec run([pid], timeout) :: :ok
  def run(contexts, time) do
    deadline = Deadline.new(time)
    Enum.each(contexts, &wait(&1, deadline))
  end

  defp wait(context, deadline) do
    left = Deadline.left(deadline)

    with true <- left > 0,
         {:ok, %{running: running, queue: queue}} when running or queue > 0 <-
           Native.context_info(context) do
      if Waiting.submit(context, {:eval, "None", %{}}, :fresh, :term, left) != {:ok, nil} or
           running?(context),
         do: Process.sleep(min(@pause, left))

      wait(context, deadline)
    else
      _idle_or_late -> :ok
    end
  end

  defp running?(context), do: match?({:ok, %{running: true}}, Native.context_info(context))
end
