defmodule Mix.Tasks.Py.ReplTest do
  # Other operating system processes, each with a terminal of its own, made by `script`.
  use ExUnit.Case, async: true

  @moduletag timeout: 60_000

  if System.find_executable("script") == nil do
    @moduletag skip: "needs the program `script`"
  end

  defp terminal(command) do
    env = [
      {~c"TERM", ~c"xterm"},
      {~c"MIX_ENV", ~c"test"},
      {~c"ERLANG_PYTHON", to_charlist(Py.Runtime.python().executable)}
    ]

    port =
      Port.open({:spawn_executable, System.find_executable("script")}, [
        :binary,
        :exit_status,
        args: ["-qfec", command, "/dev/null"],
        env: env
      ])

    {:os_pid, os_pid} = Port.info(port, :os_pid)
    on_exit(fn -> System.cmd("kill", ["#{os_pid}"], stderr_to_stdout: true) end)
    port
  end

  # What has come out of the terminal up to that text; what came after it is there for next time.
  defp until(port, text) do
    output = Process.get(port, "")

    case String.split(output, text, parts: 2) do
      [before, rest] ->
        Process.put(port, rest)
        before <> text

      [_no_such_text] ->
        receive do
          {^port, {:data, data}} -> Process.put(port, output <> data)
          {^port, {:exit_status, status}} -> flunk("ended with #{status}: #{output}")
        after
          30_000 -> flunk("no #{inspect(text)} in #{output}")
        end

        until(port, text)
    end
  end

  defp type(port, text), do: Port.command(port, text)

  defp status(port) do
    receive do
      {^port, {:data, _data}} -> status(port)
      {^port, {:exit_status, status}} -> status
    after
      30_000 -> flunk("does not end")
    end
  end

  test "is a prompt in a context of this project, which exit() leaves" do
    port = terminal("mix py.repl --context 2 --pool default")
    assert until(port, ">>> ") =~ "in context 2 of the pool :default"
    type(port, "6 * 7\n")
    assert until(port, "42")
    type(port, "exit()\n")
    assert status(port) == 0
  end

  test "edits, recalls and completes lines in iex" do
    port = terminal("iex -S mix py.repl")
    until(port, ">>> ")
    type(port, "marker = 'mar' + 'ked'\n")
    until(port, ">>> ")
    type(port, "mark\t\n")
    until(port, "'marked'")
    until(port, ">>> ")
    # The key "up".
    type(port, "\e[A")
    until(port, "marker")
    type(port, " + '!'\n")
    until(port, "'marked!'")
    until(port, ">>> ")
    type(port, "exit()\n")
    assert status(port) == 0
  end

  test "says what is wrong with a context or a node that it cannot reach" do
    port = terminal("mix py.repl --context Nobody")
    until(port, "no such context")
    assert status(port) == 1

    port = terminal("mix py.repl --remsh nobody@127.0.0.1 --cookie none")
    until(port, "There is no way to nobody@127.0.0.1")
    assert status(port) == 1
  end

  test "attaches to a node that runs, without a Python here" do
    cookie = "py_repl_test_#{System.unique_integer([:positive])}"
    name = :"#{cookie}_#{System.pid()}"

    {:ok, peer, node} =
      :peer.start_link(%{
        name: name,
        host: ~c"127.0.0.1",
        longnames: true,
        connection: :standard_io,
        args: [~c"-setcookie", to_charlist(cookie), ~c"-pa" | :code.get_path()]
      })

    chosen = Py.Runtime.python().executable
    :ok = :peer.call(peer, System, :put_env, ["ERLANG_PYTHON", chosen])
    {:ok, _started} = :peer.call(peer, Application, :ensure_all_started, [:erlang_python], 60_000)
    context = :peer.call(peer, Py, :context, [1])
    :ok = :peer.call(peer, Py.Context, :exec, [context, "place = 'over ' + 'there'"])

    port = terminal("ERLANG_PYTHON=none mix py.repl --remsh #{node} --cookie #{cookie}")
    until(port, ">>> ")
    type(port, "place\n")
    until(port, "'over there'")
    type(port, "print('pri' + 'nted')\n")
    until(port, "printed")
    type(port, "exit()\n")
    assert status(port) == 0
    :peer.stop(peer)
  end
end
