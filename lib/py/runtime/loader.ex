defmodule Py.Runtime.Loader do
  @moduledoc false

  # A NIF without a single Python symbol. It opens libpython for the whole OS process, so that
  # the main NIF and C extension modules find theirs wherever that Python is installed.

  @doc "Loads the loader itself from `path` (without its extension)."
  @spec load(Path.t()) :: :ok | {:error, String.t()}
  def load(path) do
    case :erlang.load_nif(String.to_charlist(path), 0) do
      :ok -> :ok
      {:error, {:reload, _text}} -> :ok
      {:error, {_reason, text}} -> {:error, to_string(text)}
    end
  end

  @doc "Opens a shared library with all its symbols visible to libraries opened later."
  @spec library_open(Path.t()) :: :ok | {:error, String.t()}
  def library_open(_path), do: :erlang.nif_error(:not_loaded)
end
