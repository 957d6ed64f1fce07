defimpl Enumerable, for: Py.Object do
  # What Python can iterate over: the items of a list, the keys of a dict, what a generator
  # yields. Iterating over an iterator uses it up, as in Python.

  alias Py.{Error, Object, Options, Request}

  def reduce(object, acc, fun),
    do: object |> Py.Stream.over(Options.parse!(:items, [])) |> Enumerable.reduce(acc, fun)

  # An iterator has no length: it has to be counted.
  def count(object), do: object |> Object.len() |> known()

  def member?(object, value) do
    operation = {:call, "operator", "contains", [object, value], []}
    object.context |> Request.in_context(operation, :term) |> known()
  end

  def slice(_object), do: {:error, __MODULE__}

  defp known({:ok, value}), do: {:ok, value}
  defp known({:error, %Error{type: "TypeError"}}), do: {:error, __MODULE__}
  defp known({:error, error}), do: raise(error)
end
