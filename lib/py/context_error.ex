defmodule Py.ContextError do
  @moduledoc """
  A context could not do what was asked; Python itself did not fail.

  The field `:reason` says why, and `:details` may have more to say about it:

    * `:closed` - the context has ended, or ended while the request was waiting or running
    * `:busy` - so many requests wait already (`max_queue`) that it takes no more
    * `:timeout` - the answer did not come within `timeout:`
    * `:interrupted` - the running code was stopped
    * `:out_of_memory` - the code wanted more memory than the `memory_limit:` of its context
    * `:not_found` - no context has that name or place, no such pool is started, or this process
      has no such call to await or to cancel
    * `:would_deadlock` - the request would wait for itself
    * `:supervised` - the pool is a child of your own supervisor, which alone starts and stops it

  ## Example

      iex> Py.eval("1", %{}, context: :nobody)
      {:error, %Py.ContextError{reason: :not_found}}

  """

  @type reason ::
          :closed
          | :busy
          | :timeout
          | :interrupted
          | :out_of_memory
          | :not_found
          | :would_deadlock
          | :supervised

  @type t :: %__MODULE__{reason: reason, details: String.t() | nil}

  defexception [:reason, :details]

  @impl true
  def message(%__MODULE__{details: details}) when is_binary(details), do: details
  def message(%__MODULE__{reason: reason}), do: sentence(reason)

  defp sentence(:closed) do
    "the context is closed; if a supervisor has replaced it, the new one has another pid and is " <>
      "found by name, as in Py.Context.start_link(name: MyApp.Python)"
  end

  defp sentence(:busy) do
    "the context has as many requests waiting as its queue holds; try again later, or give it a " <>
      "longer one (max_queue:), or its pool more contexts"
  end

  defp sentence(:timeout), do: "the answer did not come in time, which the option timeout: sets"
  defp sentence(:interrupted), do: "the running code was interrupted"
  defp sentence(:out_of_memory), do: "the code wanted more memory than its context may have"
  defp sentence(:would_deadlock), do: "the request would wait for itself"
  defp sentence(:supervised), do: "the pool is a child of another supervisor"

  defp sentence(:not_found) do
    "there is no such context; the pool runs while the application :erlang_python is started, " <>
      "or after Py.start_contexts/0"
  end

  defp sentence(reason), do: "the context could not run the request: #{inspect(reason)}"
end
