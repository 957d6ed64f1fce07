defmodule Py.Repl do
  @moduledoc """
  A Python prompt in a context of a running node.

  In `iex`, or any other shell of the node:

      iex> Py.Repl.start(context: MyApp.Python)
      Python 3.13.0 in MyApp.Python; exit() leaves
      >>> counter
      41

  From a terminal, `mix py.repl` does the same, and `mix py.repl --remsh NODE` in a node that
  runs already.

  What is typed runs in the namespace that all users of the context share, and waits its turn
  like any other request. Names and attributes are completed with the tab key, and lines can be
  edited and recalled, where the shell has that: in `iex`, and from OTP 26 on also in Mix. Code
  that does not come back is stopped with `Py.Context.interrupt/1` from another shell, or by
  ending this one.

  ## Options

    * `:context` - the context: a pid, a registered name, or the 1-based index of one in the
      pool. Default: 1
    * `:pool` - the pool of that index. Default: `:default`
  """

  alias Py.{Context, ContextError, Error}
  alias Py.Router.Choice

  # A word is completed while somebody waits with a finger on a key.
  @patience 2_000

  @doc """
  Reads, runs and prints in the calling process, at its group leader, until `exit()` or the end
  of input.

      :ok = Py.Repl.start()
      :ok = Py.Repl.start(pool: :io, context: 2)

  The error is that there is no such context, or that it closed meanwhile.
  """
  @spec start(keyword) :: :ok | {:error, Exception.t()}
  def start(opts \\ []) do
    with {:ok, context} <- place(opts),
         do: completing(context, fn -> loop(context, title(opts)) end)
  end

  @doc """
  The same in a context of another node, to which this one is connected. Python need not run
  here, and is not asked for on this node.

      :ok = Py.Repl.attach(:"my_app@example.com", context: MyApp.Python)

  """
  @spec attach(node, keyword) :: :ok | {:error, Exception.t()}
  def attach(node, opts \\ []) do
    with {:ok, context} <- :erpc.call(node, __MODULE__, :place, [opts]) do
      completing(context, fn ->
        # Its group leader is the one of this process, and it ends with this process.
        {pid, monitor} =
          :erlang.spawn_opt(node, __MODULE__, :serve, [context, opts, self()], [:monitor])

        receive do
          {^pid, result} ->
            Process.demonitor(monitor, [:flush])
            result

          {:DOWN, ^monitor, :process, ^pid, _reason} ->
            {:error, %ContextError{reason: :closed}}
        end
      end)
    end
  end

  @doc "Whether lines typed in this process can be edited, recalled and completed."
  @spec editing?() :: boolean
  def editing? do
    options = :io.getopts()
    # From OTP 26 on, the second also has to be asked: the first is there with `-noshell`, too.
    is_list(options) and Keyword.has_key?(options, :expand_fun) and
      match?({:ok, _columns}, :io.columns())
  end

  @doc false
  @spec place(keyword) :: {:ok, pid} | {:error, Exception.t()}
  def place(opts) do
    case Choice.resolve(Keyword.get(opts, :context, 1), Keyword.get(opts, :pool, :default)) do
      {:ok, pid} when is_pid(pid) -> {:ok, pid}
      {:ok, _elsewhere} -> {:error, %ContextError{reason: :not_found}}
      error -> error
    end
  end

  @doc false
  def serve(context, opts, owner) do
    end_with(owner)
    send(owner, {self(), loop(context, title(opts))})
  end

  # Not even a prompt that waits for Python outlives the terminal it is for.
  defp end_with(owner) do
    prompt = self()

    spawn(fn ->
      for pid <- [owner, prompt], do: Process.monitor(pid)
      receive do: ({:DOWN, _monitor, :process, _pid, _reason} -> Process.exit(prompt, :kill))
    end)
  end

  @doc false
  # What the group leader asks: whether these characters end a line.
  @spec read_line(charlist, charlist | :eof) ::
          {:done, charlist | :eof, charlist} | {:more, charlist}
  def read_line([], :eof), do: {:done, :eof, []}
  def read_line(before, :eof), do: {:done, before, []}

  def read_line(before, chars) do
    case Enum.split_while(chars, &(&1 != ?\n)) do
      {line, [?\n | rest]} -> {:done, before ++ line ++ ~c"\n", rest}
      {part, []} -> {:more, before ++ part}
    end
  end

  @doc false
  # For the group leader, which must not suffer from whatever Python or another node does.
  @spec expand(pid, charlist) :: {:yes | :no, charlist, [charlist]}
  def expand(context, reversed) do
    line = reversed |> Enum.reverse() |> List.to_string()
    [word] = Regex.run(~r/[\w.]*$/u, line)
    if word == "", do: indented(line), else: completed(word, words(context, word))
  end

  @doc false
  @spec complete(pid, String.t()) :: [String.t()]
  def complete(context, word) do
    case Context.eval(context, asking("complete", word), %{}, timeout: @patience) do
      {:ok, words} -> words
      {:error, _exception} -> []
    end
  end

  ## The prompt

  defp loop(context, title) do
    with {:ok, version} <- Context.eval(context, "__import__('platform').python_version()") do
      IO.puts("Python #{version} in #{title}; exit() leaves")
      read(context, "")
    end
  end

  defp read(context, source) do
    prompt = if source == "", do: ~c">>> ", else: ~c"... "
    # From OTP 26 on, a shell remembers what this request reads, and not what `IO.gets/1` does.
    request = {:get_until, :unicode, prompt, __MODULE__, :read_line, []}

    case :io.request(Process.group_leader(), request) do
      line when is_list(line) or is_binary(line) ->
        typed(context, source, line |> IO.chardata_to_string() |> String.trim_trailing("\n"))

      _end_or_error ->
        IO.puts("")
    end
  end

  defp typed(context, "", ""), do: read(context, "")

  defp typed(context, source, line) do
    source = if source == "", do: line, else: source <> "\n" <> line

    case Context.eval(context, asking("run", source), %{}, timeout: :infinity) do
      {:ok, nil} -> read(context, source)
      {:ok, text} -> say(context, text)
      {:error, %Error{type: "SystemExit"}} -> :ok
      {:error, %ContextError{reason: :closed}} = closed -> closed
      {:error, exception} -> say(context, Exception.message(exception))
    end
  end

  defp say(context, text) do
    unless text == "", do: text |> String.trim_trailing() |> IO.puts()
    read(context, "")
  end

  # Without variables, code sees the namespace itself. What was typed is written as a literal
  # that needs no escapes.
  defp asking(function, text) do
    "__import__('erlang._repl', None, None, ['*']).#{function}(" <>
      "bytes.fromhex('#{Base.encode16(text)}').decode(), globals())"
  end

  defp title(opts) do
    case Keyword.get(opts, :context, 1) do
      index when is_integer(index) ->
        "context #{index} of the pool #{inspect(Keyword.get(opts, :pool, :default))}"

      context ->
        inspect(context)
    end
  end

  ## Completion

  defp completing(context, fun) do
    if editing?() do
      before = Keyword.take(:io.getopts(), [:expand_fun])
      :io.setopts(expand_fun: &expand(context, &1))

      try do
        fun.()
      after
        :io.setopts(before)
      end
    else
      fun.()
    end
  end

  defp words(context, word) do
    :erpc.call(node(context), __MODULE__, :complete, [context, word], @patience)
  catch
    _kind, _reason -> []
  end

  # At the beginning of a line the key is what it is in any editor of Python.
  defp indented(line),
    do: if(String.trim(line) == "", do: {:yes, ~c"    ", []}, else: {:no, ~c"", []})

  defp completed(_word, []), do: {:no, ~c"", []}

  defp completed(word, words) do
    common = binary_part(hd(words), 0, :binary.longest_common_prefix(words))
    # As bytes, they may part in the middle of a character.
    [whole | _broken] = String.chunk(common, :valid)
    rest = String.replace_prefix(whole, word, "")
    others = if match?([_one], words), do: [], else: Enum.map(words, &String.to_charlist/1)
    {:yes, String.to_charlist(rest), others}
  end
end
