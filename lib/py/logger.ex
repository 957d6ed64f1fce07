defmodule Py.Logger do
  @moduledoc """
  Which records of Python's `logging` reach Elixir's `Logger`.

  They do so by themselves, with level, module, function, file and line, and `:py_logger`, the
  name of the Python logger, as metadata. Python passes on what is a warning or worse; this module
  changes that for all contexts at once:

      iex> Py.Logger.configure(level: :info)
      :ok
      iex> Py.eval("__import__('logging').getLogger('shop').isEnabledFor(20)", %{}, context: 1)
      {:ok, true}
      iex> Py.Logger.configure(level: :warning)
      :ok

  A single logger is set in Python as ever, `logging.getLogger("urllib3").setLevel("ERROR")`, and
  `erlang.setup_logging(level, format)` sets up one interpreter from within.
  """

  alias Py.{Native, Options}
  alias Py.Request.Waiting

  # Python's numbers. What has no level of its own there is as bad as the next worse.
  @levels %{
    all: 1,
    debug: 10,
    info: 20,
    notice: 30,
    warning: 30,
    error: 40,
    critical: 50,
    alert: 50,
    emergency: 50,
    none: 100
  }

  # Milliseconds that contexts have to follow at once. Those that are idle take less than one.
  @patience 500

  @doc """
  Sets from which level on Python's root loggers pass records on.

  It holds in all contexts, now and later; one that is busy follows when it is done with what it
  has accepted.

  ## Options

  #{Options.docs(:logger)}
  ## Example

      iex> Py.Logger.configure(level: :warning)
      :ok

  """
  @spec configure(keyword) :: :ok
  def configure(opts \\ []) do
    level = Options.parse!(:logger, opts).level || Logger.level()
    :ok = Native.log_level_set(Map.fetch!(@levels, level))
    Task.await(in_task(&follow_all/0), :infinity)
  end

  # The tasks for those that are busy stay behind; what they answer is of no interest.
  defp follow_all do
    Native.context_list()
    |> Enum.map(fn context -> in_task(fn -> follow(context) end) end)
    |> Task.yield_many(@patience)

    :ok
  end

  defp follow(context) do
    changed = {:call, "erlang._output", "log_level_changed", [], []}
    Waiting.submit(context, changed, :fresh, :term, :infinity)
  end

  defp in_task(fun), do: Task.Supervisor.async_nolink(Py.TaskSupervisor, fun)
end
