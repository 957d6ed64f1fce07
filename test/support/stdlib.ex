defmodule Py.Stdlib do
  @moduledoc """
  The standard library, as Python has it by itself and as contexts have it.
  """

  @script Path.expand("stdlib.py", __DIR__)

  @doc "Its modules by name, with what the import raised in this Python alone, or `nil`."
  @spec alone() :: %{binary => binary | nil}
  def alone do
    # Some modules ask the terminal for its size or its name.
    {text, 0} =
      System.cmd(Py.Runtime.python().executable, ["-W", "ignore", @script],
        env: [{"PYTHONDONTWRITEBYTECODE", "1"}]
      )

    for [_, name, raised] <- Regex.scan(~r/^\t=\t(\S+)\t(.*)$/m, text),
        into: %{},
        do: {name, if(raised != "", do: raised)}
  end

  @doc """
  Imports each module in so many contexts at once and answers with what failed, and how.

  For a BEAM of its own: the name is printed first, so that the last one that a dead BEAM has
  printed is the culprit.
  """
  @spec import_everywhere([binary], atom, pos_integer) :: [{binary, [binary]}]
  def import_everywhere(names, mode, count) do
    contexts = for _ <- 1..count, do: elem({:ok, _} = Py.Context.start_link(mode: mode), 1)

    failed =
      for name <- names, errors = import_at_once(name, contexts), errors != [] do
        {name, Enum.uniq(errors)}
      end

    for context <- contexts, do: :ok = Py.Context.stop(context)
    IO.puts("closed")
    failed
  end

  defp import_at_once(name, contexts) do
    IO.puts(name)

    contexts
    |> Enum.map(&Task.async(fn -> import_in(&1, name) end))
    |> Task.await_many(60_000)
    |> Enum.reject(&is_nil/1)
  end

  defp import_in(context, name) do
    code = "__import__('importlib').import_module(name) and None"

    case Py.Context.eval(context, code, %{name: name}) do
      {:ok, nil} -> nil
      {:error, error} -> Exception.message(error)
    end
  end
end
