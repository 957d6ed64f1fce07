defmodule Py.Orphans do
  @moduledoc false

  # A supervisor that was killed is replaced at once, while what was below it still takes its leave
  # and has the names that the new children want. Their supervisor would try again without a
  # pause, until it has tried too often. So those that are left are ended first; what they
  # supervise themselves hears of it and closes in good order, without a name.

  @doc "Starts a process when nobody has these names any more."
  @spec start({module, atom, list}, [atom]) :: Supervisor.on_start()
  def start({module, function, args}, names) do
    finish(names)
    apply(module, function, args)
  end

  @doc "Ends the processes of these names."
  @spec finish([atom]) :: :ok
  def finish(names) do
    for name <- names, pid = Process.whereis(name) do
      monitor = Process.monitor(pid)
      Process.exit(pid, :kill)
      receive do: ({:DOWN, ^monitor, :process, ^pid, _reason} -> :ok)
    end

    :ok
  end
end
