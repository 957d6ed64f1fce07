defmodule Py.Case do
  @moduledoc """
  What the tests share. `use Py.Case, async: true` where a test keeps to contexts of its own.

  A test is written once for every version and mode of Python; `requires_python/1` above a test
  skips it where Python itself lacks the feature.
  """

  use ExUnit.CaseTemplate

  using do
    quote do
      import Py.Case
    end
  end

  @doc "Skips the next test with an older Python: `requires_python {3, 11}`."
  defmacro requires_python({major, minor}) do
    quote do
      if Py.Case.older_than?({unquote(major), unquote(minor)}) do
        @tag skip: "needs Python #{unquote(major)}.#{unquote(minor)}"
      end
    end
  end

  @doc "Skips the next test where contexts do not have interpreters of their own."
  defmacro requires_interpreters do
    quote do
      unless Py.execution_mode() == :subinterp do
        @tag skip: "needs a mode with an interpreter for each context"
      end
    end
  end

  def older_than?({major, minor}) do
    {own_major, own_minor, _patch} = Py.info().version_info
    {own_major, own_minor} < {major, minor}
  end

  @doc "A context that ends with the test."
  def start_context(opts \\ []) do
    start_supervised!(
      Supervisor.child_spec({Py.Context, opts}, id: make_ref(), restart: :temporary)
    )
  end

  @doc """
  Makes a context run Python code that ends only when `release/1` says so.

  It is a rendezvous without a clock: a shell opens a named pipe for writing, which succeeds once
  Python has opened it for reading, and Python reads until the shell closes it. Code of the
  caller's own opens and reads `pipe`; the options are those of `Py.eval/3`.
  """
  def occupy(context, code \\ "open(pipe).read()", opts \\ []) do
    pipe = Path.join(System.tmp_dir!(), "py-case-#{System.unique_integer([:positive])}")
    {"", 0} = System.cmd("mkfifo", [pipe])
    opts = [context: context] ++ opts
    task = Task.async(fn -> Py.eval(code, %{pipe: pipe}, opts) end)

    port =
      Port.open({:spawn_executable, "/bin/sh"}, [
        :binary,
        args: ["-c", "exec 3>\"$0\"; echo open; exec cat", pipe]
      ])

    receive do
      {^port, {:data, "open\n"}} -> :ok
    after
      20_000 -> raise "Python did not open #{pipe}"
    end

    File.rm!(pipe)
    {port, task}
  end

  @doc "Ends what `occupy/3` began and gives its answer."
  def release({port, task}) do
    Port.close(port)
    Task.await(task, 20_000)
  end

  @doc "Kills a process and waits until it is gone."
  def kill(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    receive do: ({:DOWN, ^monitor, :process, ^pid, _reason} -> :ok)
  end

  @doc "Waits for a condition that no message announces, up to 20 seconds."
  def eventually(condition, deadline \\ System.monotonic_time(:millisecond) + 20_000) do
    cond do
      condition.() -> true
      System.monotonic_time(:millisecond) > deadline -> false
      true -> eventually(condition, deadline)
    end
  end

  @doc "Runs the function in a process of its own, whose garbage is gone when this returns."
  def isolated(fun) do
    {pid, monitor} = spawn_monitor(fun)

    receive do
      {:DOWN, ^monitor, :process, ^pid, :normal} -> :ok
      {:DOWN, ^monitor, :process, ^pid, reason} -> exit(reason)
    end
  end

  @doc "Resident memory of this OS process in bytes, or `nil` where it cannot be read."
  def resident_memory do
    case File.read("/proc/self/statm") do
      {:ok, text} -> text |> String.split() |> Enum.at(1) |> String.to_integer() |> Kernel.*(4096)
      {:error, _reason} -> nil
    end
  end

  @doc "Threads of this OS process, or `nil` where they cannot be counted."
  def threads, do: count("/proc/self/task")

  @doc "Open file descriptors of this OS process, or `nil` where they cannot be counted."
  def descriptors, do: count("/proc/self/fd")

  defp count(folder) do
    case File.ls(folder) do
      {:ok, names} -> length(names)
      {:error, _reason} -> nil
    end
  end
end
