defprotocol Py.Encoder do
  @moduledoc """
  How a struct of yours goes to Python.

  Without an implementation a struct becomes a `dict` of its fields. An implementation answers
  with any term that can be passed instead, other structs included:

      defimpl Py.Encoder, for: Money do
        def encode(money), do: {money.amount, to_string(money.currency)}
      end

  To keep some fields back, derive it:

      defmodule User do
        @derive {Py.Encoder, except: [:password_hash]}
        defstruct [:name, :email, :password_hash]
      end

  The structs with a counterpart in Python (`Date`, `Time`, `NaiveDateTime`, `DateTime`, `Range`,
  `MapSet`, `Decimal`, `Py.Object`, `Py.Buffer`, `Py.JSON`, `Py.Channel`) do not ask the protocol.
  """

  @doc "The term to pass in place of the struct."
  @spec encode(t) :: term
  def encode(struct)
end

defimpl Py.Encoder, for: Any do
  defmacro __deriving__(module, struct, options) do
    fields = fields(Map.keys(Map.delete(struct, :__struct__)), options)

    quote do
      defimpl Py.Encoder, for: unquote(module) do
        def encode(struct), do: Map.take(struct, unquote(fields))
      end
    end
  end

  def encode(struct), do: Map.from_struct(struct)

  defp fields(all, only: only), do: Enum.filter(all, &(&1 in only))
  defp fields(all, except: except), do: all -- except
  defp fields(all, []), do: all
end
