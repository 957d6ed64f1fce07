defmodule Py.Child do
  @moduledoc """
  Runs a function in a BEAM of its own, where a crash or a hang is an answer and not the end of
  the suite. It has this BEAM's code and the library started, with the same Python.
  """

  @type result :: {:ok, term, output :: binary} | {:error, :crashed | :hung, output :: binary}

  @doc """
  What the function answers, and all that was printed. The BEAM must also stop by itself, with
  all its contexts, for that to count. `:python` names another interpreter, `:config` is the
  library's configuration, `:before` lists what to apply before the library starts, `start: false`
  leaves it unstarted, and `:timeout` (ms) ends a BEAM that hangs, whose last words are where each
  of its processes was.
  """
  @spec run({module, atom, list}, keyword) :: result
  def run({_module, _function, _arguments} = work, opts \\ []) do
    name = "py-child-#{System.pid()}-#{System.unique_integer([:positive])}"
    file = Path.join(System.tmp_dir!(), name)
    timeout = Keyword.get(opts, :timeout, 120_000)
    opts_there = [timeout: timeout] ++ Keyword.take(opts, [:config, :before, :start])
    File.write!(file, :erlang.term_to_binary({work, opts_there}))

    try do
      port = Port.open({:spawn_executable, System.find_executable("elixir")}, options(file, opts))
      {:os_pid, os_pid} = Port.info(port, :os_pid)
      deadline = System.monotonic_time(:millisecond) + timeout

      case wait(port, deadline, []) do
        {0, output} -> answer(file, output)
        {:hung, output} -> end_it(os_pid, port, output)
        {_status, output} -> {:error, :crashed, output}
      end
    after
      File.rm(file)
    end
  end

  @doc false
  # What the other BEAM runs.
  def main(file) do
    {work, opts} = file |> File.read!() |> :erlang.binary_to_term()
    timeout = opts[:timeout]
    # Some time before the end, as a machine may be slow that has come to this.
    {:ok, _timer} = :timer.apply_after(div(timeout * 3, 4), __MODULE__, :speak_last, [timeout])

    for {key, value} <- Keyword.get(opts, :config, []),
        do: Application.put_env(:erlang_python, key, value)

    Enum.each(Keyword.get(opts, :before, []), &apply_to/1)

    if Keyword.get(opts, :start, true),
      do: {:ok, _applications} = Application.ensure_all_started(:erlang_python)

    value = apply_to(work)
    File.write!(file, :erlang.term_to_binary({:answer, value}))
    System.stop(0)
  end

  @doc false
  # Where everybody is, in a BEAM that seems to hang.
  def speak_last(timeout) do
    IO.puts("Not done after three quarters of #{timeout} ms.")
    asked = [:registered_name, :initial_call, :status, :message_queue_len, :current_stacktrace]

    for pid <- Process.list(), pid != self(), facts = Process.info(pid, asked) do
      {stack, facts} = Keyword.pop!(facts, :current_stacktrace)
      IO.puts([inspect({pid, facts}), ?\n, Exception.format_stacktrace(stack)])
    end

    for context <- Py.Native.context_list(),
        do: IO.inspect({context, Py.Native.context_info(context)})
  end

  defp apply_to({module, function, arguments}), do: apply(module, function, arguments)

  defp options(file, opts) do
    python = Keyword.get_lazy(opts, :python, fn -> Py.Runtime.python().executable end)
    ours = :code.get_path() |> Enum.map(&to_string/1) |> Enum.filter(&(&1 =~ "/_build/"))
    code = "#{inspect(__MODULE__)}.main(#{inspect(file)})"

    # No file of core or crash dumps: the output says enough.
    env = [{~c"ERLANG_PYTHON", to_charlist(python)}, {~c"ERL_CRASH_DUMP_SECONDS", ~c"0"}]

    [
      :binary,
      :exit_status,
      :stderr_to_stdout,
      args: Enum.flat_map(ours, &["-pa", &1]) ++ ["-e", code],
      env: env
    ]
  end

  defp wait(port, deadline, output) do
    receive do
      {^port, {:data, data}} -> wait(port, deadline, [output | data])
      {^port, {:exit_status, status}} -> {status, IO.iodata_to_binary(output)}
    after
      max(deadline - System.monotonic_time(:millisecond), 0) ->
        {:hung, IO.iodata_to_binary(output)}
    end
  end

  defp answer(file, output) do
    case file |> File.read!() |> :erlang.binary_to_term() do
      {:answer, value} -> {:ok, value, output}
      _still_the_question -> {:error, :crashed, output}
    end
  end

  defp end_it(os_pid, port, output) do
    System.cmd("kill", ["-9", "#{os_pid}"])
    receive do: ({^port, {:exit_status, _status}} -> {:error, :hung, output})
  end
end
