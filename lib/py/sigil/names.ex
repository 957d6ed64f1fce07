defmodule Py.Sigil.Names do
  @moduledoc false

  # Which names Python code reads and which it assigns, while Elixir is being compiled. Only
  # Python knows for sure: the one that runs in this VM already, or else the one that would, as a
  # program of its own, as the library is seldom started then. Where there is none, any name in
  # the code may be read and may be assigned. More than the right ones do no harm: none of them
  # changes unless Python, later, says that it was assigned.

  alias Py.{Request, Router, Runtime}
  alias Py.Runtime.Locator

  @type found :: {:ok, reads :: [String.t()], assigns :: [String.t()]}

  @doc "The names, or the line and the text of a syntax error."
  @spec find(String.t(), String.t(), pos_integer) :: found | {:error, pos_integer, String.t()}
  def find(source, file, line) do
    case report([source, file, line]) do
      {:ok, report} -> read(report)
      :unavailable -> guess(source)
    end
  end

  @doc "The names that may be meant, by looks alone."
  @spec guess(String.t()) :: found
  def guess(source) do
    # Not what follows a dot, which is an attribute.
    names = ~r/(?<![\w.])[^\W\d_]\w*/u |> Regex.scan(source) |> List.flatten() |> Enum.uniq()
    {:ok, names, names}
  end

  defp report(arguments) do
    with true <- Runtime.python() != nil and Router.started?(),
         {:ok, report} <- Request.call("erlang._sigil", "report", arguments, []) do
      {:ok, report}
    else
      _not_running -> ask(arguments)
    end
  end

  defp ask([source, file, line]) do
    script = Application.app_dir(:erlang_python, "priv/python/erlang/_sigil.py")

    with {:ok, python} <- located(),
         true <- File.exists?(script),
         options = ["-I", "-X", "utf8", script, source, file, "#{line}"],
         {report, 0} <- System.cmd(python.executable, options, stderr_to_stdout: true) do
      {:ok, report}
    else
      _no_python -> :unavailable
    end
  rescue
    # Longer than the arguments of a program may be, or with a null character in it.
    _cannot_be_passed in [ErlangError, ArgumentError] -> :unavailable
  end

  # To look for it takes longer than all the rest, and there may be many sigils.
  defp located do
    choice = {Application.get_env(:erlang_python, :python), System.get_env("ERLANG_PYTHON")}

    case :persistent_term.get(__MODULE__, nil) do
      {^choice, located} ->
        located

      _other ->
        located = Locator.locate()
        :persistent_term.put(__MODULE__, {choice, located})
        located
    end
  end

  defp read("error " <> report) do
    {line, " " <> message} = Integer.parse(report)
    {:error, line, message}
  end

  defp read(report) do
    lines = report |> String.split("\n", trim: true) |> Enum.map(&String.split/1)
    {:ok, for(["reads", name] <- lines, do: name), for(["assigns", name] <- lines, do: name)}
  end
end
