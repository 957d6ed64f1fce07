defmodule Py.Error do
  @moduledoc """
  Python raised an exception.

    * `:type` - its class: `"ZeroDivisionError"`, or with the module for those that are not
      built in, `"json.decoder.JSONDecodeError"`
    * `:message` - what `str()` of it says
    * `:traceback` - the lines Python would print, chained exceptions included; of a deep
      recursion the innermost 100 calls
    * `:frames` - the calls that led there, outermost first, each a map with `:file`, `:line`,
      `:function` and `:code`
    * `:cause` and `:context` - the exception it was raised from, or while handling which it was
      raised: a `Py.Error` or `nil`
    * `:notes` - what `add_note()` added (Python 3.11)
    * `:exceptions` - the members of an `ExceptionGroup` (Python 3.11), each a `Py.Error`
    * `:exception` - the exception itself, as a `Py.Object`

  `Exception.message/1` is Python's own traceback text.

  ## Example

      iex> {:error, error} = Py.eval("1 / 0")
      iex> {error.type, error.message}
      {"ZeroDivisionError", "division by zero"}
      iex> List.last(error.traceback)
      "ZeroDivisionError: division by zero"

  """

  @type frame :: %{
          file: String.t(),
          line: non_neg_integer | nil,
          function: String.t(),
          code: String.t() | nil
        }

  @type t :: %__MODULE__{
          type: String.t(),
          message: String.t(),
          traceback: [String.t()],
          frames: [frame],
          cause: t | nil,
          context: t | nil,
          notes: [String.t()],
          exceptions: [t],
          exception: Py.Object.t() | nil
        }

  defexception type: "Exception",
               message: "",
               traceback: [],
               frames: [],
               cause: nil,
               context: nil,
               notes: [],
               exceptions: [],
               exception: nil

  @impl true
  def message(%__MODULE__{traceback: [], type: type, message: ""}), do: type
  def message(%__MODULE__{traceback: [], type: type, message: text}), do: "#{type}: #{text}"
  def message(%__MODULE__{traceback: lines}), do: Enum.join(lines, "\n")

  @doc false
  # Python describes an exception as a dict with text keys; this is its only reader.
  @spec from_description(map | nil, Py.Object.t() | nil) :: t | nil
  def from_description(description, exception \\ nil)

  def from_description(nil, _exception), do: nil

  def from_description(%{"type" => type, "message" => message} = description, exception) do
    %__MODULE__{
      type: type,
      message: message,
      traceback: Map.get(description, "traceback", []),
      frames: description |> Map.get("frames", []) |> Enum.map(&frame/1),
      cause: from_description(description["cause"]),
      context: from_description(description["context"]),
      notes: Map.get(description, "notes", []),
      exceptions: description |> Map.get("exceptions", []) |> Enum.map(&from_description/1),
      exception: exception
    }
  end

  @doc false
  # Where Python shows what `add_note()` added: below the exception itself.
  @spec add_note(t, String.t()) :: t
  def add_note(%__MODULE__{} = error, note),
    do: %{error | notes: error.notes ++ [note], traceback: error.traceback ++ [note]}

  defp frame(frame) do
    %{
      file: frame["file"],
      line: frame["line"],
      function: frame["function"],
      code: frame["code"]
    }
  end
end
