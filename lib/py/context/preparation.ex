defmodule Py.Context.Preparation do
  @moduledoc false

  # What a context is given before its first request: the active virtual environment, and the
  # modules and code that the configuration names. Should that fail, the context opens all the
  # same, and the log says why: a pool whose contexts refuse to open would answer nobody, while
  # of those that miss a module most requests may not need it.

  require Logger

  alias Py.{Options, Request, Venv}
  alias Py.Router.{Extension, Pool}

  # Milliseconds for each step. Importing a large package takes seconds, but nothing may keep a
  # context from ever opening.
  @patience 60_000

  @doc "Prepares the context of the calling process, which need not have opened yet."
  @spec run() :: :ok
  def run do
    for {op, what} <- steps(), do: check(ask(op), what)
    :ok
  end

  defp steps do
    venv =
      for op <- Venv.preparation(), do: {op, "The virtual environment cannot be activated in"}

    imports =
      for name <- Options.env(:imports) do
        op = {:call, "erlang._modules", "load", [to_string(name)], []}
        {op, "The module #{name}, from `imports:`, cannot be imported in"}
      end

    code = for code <- List.wrap(Options.env(:preload_code)), do: {:preload, code}
    venv ++ imports ++ Enum.map(code, &{&1, "The `preload_code:` fails in"})
  end

  defp ask(op), do: Request.run(op, %{context: self(), timeout: @patience}, :term)

  defp check({:ok, _value}, _what), do: :ok

  # When the context itself cannot open, whoever opens it is told.
  defp check({:error, %Py.ContextError{reason: :closed}}, _what), do: :ok

  defp check({:error, error}, what) do
    if match?(%Py.Error{}, error) and Extension.refusal?(error) and Pool.isolated?(self()) do
      Logger.debug("#{what} a sub-interpreter. It can be in the pool :worker.")
    else
      Logger.error("#{what} the context #{inspect(self())}: #{Exception.message(error)}")
    end
  end
end
