defmodule Py.Venv.Program do
  @moduledoc false

  # A program of the operating system, whose lines are shown as they are complete. It ends with this
  # process: that closes the port, and with it the program's standard input.

  # Of what it prints, so many lines are kept for an error message.
  @kept 200

  @doc "Runs a program. Each line goes to `show`; the last ones come back, with the status."
  @spec run(Path.t(), [String.t()], keyword, (String.t() -> any)) ::
          {non_neg_integer, [String.t()]} | {:error, atom}
  def run(program, arguments, env, show) do
    env = for {key, value} <- env, do: {to_charlist(key), to_charlist(value)}
    options = [:binary, :exit_status, :stderr_to_stdout, line: 65_536, args: arguments, env: env]

    with {:ok, port} <- open({:spawn_executable, program}, options) do
      try do
        listen(port, show, [], :queue.new())
      after
        close(port)
      end
    end
  end

  defp open(program, options) do
    {:ok, Port.open(program, options)}
  rescue
    error in ErlangError -> {:error, error.original}
  end

  # Whoever traps exits need not hear of the port's.
  defp close(port) do
    Process.unlink(port)
    if Port.info(port), do: Port.close(port)
    receive(do: ({:EXIT, ^port, _reason} -> :ok), after: (0 -> :ok))
  end

  defp listen(port, show, begun, lines) do
    receive do
      {^port, {:data, {:noeol, part}}} ->
        listen(port, show, [begun | part], lines)

      {^port, {:data, {:eol, part}}} ->
        listen(port, show, [], line([begun | part], show, lines))

      {^port, {:exit_status, status}} ->
        {status, :queue.to_list(lines)}
    end
  end

  defp line(parts, show, lines) do
    line = parts |> IO.iodata_to_binary() |> text()
    show.(line)
    keep(line, lines)
  end

  # Whatever the encoding was meant to be, a terminal and a message of ours take UTF-8.
  defp text(line) do
    if String.valid?(line), do: line, else: :unicode.characters_to_binary(line, :latin1)
  end

  defp keep(line, lines) do
    lines = :queue.in(line, lines)
    if :queue.len(lines) > @kept, do: :queue.drop(lines), else: lines
  end
end
