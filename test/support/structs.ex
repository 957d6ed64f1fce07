defmodule Py.Case.Point do
  @moduledoc "A struct without an encoder: a dict of its fields."
  defstruct [:x, :y]
end

defmodule Py.Case.Money do
  @moduledoc "A struct with an encoder of its own."
  defstruct [:amount, :currency]

  defimpl Py.Encoder do
    def encode(money), do: {money.amount, to_string(money.currency)}
  end
end

defmodule Py.Case.User do
  @moduledoc "A struct that keeps a field back."
  @derive {Py.Encoder, except: [:password]}
  defstruct [:name, :password]
end

# Where the decimal package is not among the dependencies, its struct is enough to see that the
# native side knows it.
unless Map.has_key?(Mix.Project.deps_paths(), :decimal) do
  defmodule Decimal do
    @moduledoc "Stands in for the struct of the decimal package."
    defstruct sign: 1, coef: 0, exp: 0
  end
end
