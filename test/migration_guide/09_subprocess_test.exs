defmodule MigrationGuide.SubprocessTest do
  use Py.Case.Guide

  @blocked [
    # The guide's "before".
    ~S|import subprocess; result = subprocess.run(["ls", "-la"], capture_output=True)|,
    ~S|import os; os.fork()|,
    ~S|import os; os.execv("/bin/ls", ["ls"])|,
    ~S|import os; os.system("ls")|,
    ~S|import os; os.popen("ls")|,
    ~S|import asyncio, erlang; erlang.run(asyncio.create_subprocess_exec("/bin/ls"))|
  ]

  for code <- @blocked do
    test "what starts processes is blocked, with a word on what to do: #{code}" do
      assert {:error, {_type, message}} = :py.exec(:py.context(1), unquote(code))
      assert message =~ ~r/\bports?\b|open_port/i
    end
  end

  test "a registered function runs commands by way of a port" do
    # The guide's collect_output/2 is a function of a module; a shell has them as values.
    erlang(~S"""
    CollectOutput = fun Collect(Port, Acc) ->
      receive
        {Port, {data, Data}} -> Collect(Port, [Data | Acc]);
        {Port, {exit_status, Status}} ->
          {Status, iolist_to_binary(lists:reverse(Acc))}
      end
    end,

    %% Register a shell command helper
    py:register_function(run_command, fun([Cmd, Args]) ->
      Port = open_port({spawn_executable, Cmd},
                       [{args, Args}, binary, exit_status, stderr_to_stdout]),
      CollectOutput(Port, [])
    end).
    """)

    code = """
    from erlang import run_command
    status, output = run_command("/bin/ls", ["-la"])
    """

    context = :py.context(1)
    assert :py.exec(context, code) == :ok
    assert :py.eval(context, "status") == {:ok, 0}
    assert {:ok, output} = :py.eval(context, "output")
    assert output =~ "mix.exs"
    :py.unregister_function(:run_command)
  end
end
