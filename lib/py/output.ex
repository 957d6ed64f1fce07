defmodule Py.Output do
  @moduledoc false

  # What Python prints and logs, on its last steps. It is written by the process that asked for
  # the Python code, so that it reaches the group leader and has the Logger metadata of that one.

  require Logger

  @doc "Writes what Python printed. A device that is gone takes nothing, and nobody suffers."
  @spec write(:stdout | :stderr, binary) :: :ok
  def write(device, binary) do
    IO.write(device(device), text(binary))
  rescue
    _gone in [ErlangError, ArgumentError] -> :ok
  end

  defp device(:stdout), do: :stdio
  defp device(:stderr), do: :stderr

  @doc "Text as an IO device takes it: bytes that are not UTF-8 are shown as `\uFFFD`."
  @spec text(binary) :: binary
  def text(binary) do
    case :unicode.characters_to_binary(binary) do
      text when is_binary(text) -> text
      # The rest may be the beginning of a character, of which no more will come.
      {_kind, valid, <<_byte, rest::binary>>} -> valid <> "\uFFFD" <> text(rest)
    end
  end

  @doc "Logs a record of Python's `logging`."
  @spec log(Logger.level(), binary, map, keyword) :: :ok
  def log(level, text, record, metadata \\ []) do
    # As what Python says never becomes an atom, module and function are binaries.
    named =
      for {key, name} <- [
            {:py_logger, "logger"},
            {:module, "module"},
            {:function, "function"},
            {:file, "file"},
            {:line, "line"}
          ],
          value = record[name],
          do: {key, value}

    Logger.bare_log(level, text, named ++ metadata)
  end
end
