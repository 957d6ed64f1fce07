defmodule Py.Case.Records do
  @moduledoc """
  A handler of Erlang's logger that sends what is logged to tests. It is there for the whole run:
  one that is taken away while another test's log is captured brings that down.
  """

  @doc "For the beginning of the run, from a process that lives as long."
  def add_handler do
    {:ok, _registry} = Registry.start_link(keys: :duplicate, name: __MODULE__)
    :ok = :logger.add_handler(__MODULE__, __MODULE__, %{})
  end

  @doc "From now on the calling process gets `{:logged, level, text, metadata}`."
  def start do
    {:ok, _registry} = Registry.register(__MODULE__, :logged, nil)
    :ok
  end

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
  def log(%{level: level, msg: {:string, text}, meta: metadata}, _config) do
    for {pid, nil} <- Registry.lookup(__MODULE__, :logged) do
      send(pid, {:logged, level, IO.chardata_to_string(text), metadata})
    end
  end

  def log(_report, _config), do: :ok
end
