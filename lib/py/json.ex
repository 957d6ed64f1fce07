defmodule Py.JSON do
  @moduledoc """
  JSON that Python gets as what it says: dicts, lists, strings and numbers.

  A body that came in as JSON and is meant for Python need not become terms first. It is parsed
  where the other arguments are converted, straight into Python objects. The other way is
  `return: :json`, which answers with the result as JSON:

      iex> body = ~s({"user": {"name": "Ada", "visits": 7}})
      iex> Py.eval("{**data['user'], 'visits': data['user']['visits'] + 1}",
      ...>   %{data: Py.json(body)}, return: :json)
      {:ok, ~s({"name":"Ada","visits":8})}

  Integers keep all their digits. What is no JSON, `NaN` included, is refused before any Python
  runs, with the reason `:invalid_json` and the place:

      iex> {:error, error} = Py.call(:builtins, :len, [Py.json(~s({"a": [1, 2}))])
      iex> {error.path, error.reason, error.message}
      {[0], :invalid_json, "expected `,` or `]` at line 1 column 12"}

  The guide "Type conversion" has the table of what becomes what.
  """

  @type t :: %__MODULE__{binary: binary}

  @enforce_keys [:binary]
  defstruct [:binary]

  @doc """
  Wraps JSON text, a binary or iodata. `Py.json/1` is the same.

      iex> Py.JSON.new(["[1", ?,, " 2]"])
      %Py.JSON{binary: "[1, 2]"}

  """
  @spec new(iodata) :: t
  def new(text), do: %__MODULE__{binary: IO.iodata_to_binary(text)}
end
