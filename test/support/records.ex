defmodule Py.Case.Records do
  @moduledoc "A handler of Erlang's logger that sends what is logged to a test."

  @doc "From now on the calling process gets `{:logged, level, text, metadata}`, till it says stop."
  def start do
    id = :"#{__MODULE__}#{System.unique_integer([:positive])}"
    :ok = :logger.add_handler(id, __MODULE__, %{config: %{pid: self()}})
    id
  end

  def stop(id), do: :logger.remove_handler(id)

  @doc "The first record of that level with `part` in it, past those of other tests."
  def logged!(level, part) do
    receive do
      {:logged, ^level, text, metadata} ->
        if text =~ part, do: {text, metadata}, else: logged!(level, part)
    after
      20_000 ->
        ExUnit.Assertions.flunk("nothing of level #{level} was logged with #{inspect(part)}")
    end
  end

  @doc false
  def log(%{level: level, msg: {:string, text}, meta: metadata}, %{config: %{pid: pid}}),
    do: send(pid, {:logged, level, IO.chardata_to_string(text), metadata})

  def log(_report, _config), do: :ok
end
