defmodule Py.Verbs.Twins do
  @moduledoc false

  # A verb that may answer with an error has a twin with a `!`, which answers with the value alone
  # and raises the error. It is declared by what a `@spec` of it would say, defaults included:
  #
  #     deftwin await!(ref :: reference, timeout :: timeout | nil \\ nil) :: term

  @doc "Defines and specifies the twin of the verb that has its name without the `!`."
  defmacro deftwin({:"::", _, [{twin, _, args}, value]}) do
    verb = twin |> Atom.to_string() |> String.trim_trailing("!") |> String.to_atom()
    types = Enum.map(args, &without_default/1)
    names = Enum.map(types, fn {:"::", _, [name, _type]} -> name end)

    quote do
      @spec unquote(twin)(unquote_splicing(types)) :: unquote(value)
      def unquote(twin)(unquote_splicing(Enum.map(args, &without_type/1))),
        do: Py.Request.bang!(unquote(verb)(unquote_splicing(names)))
    end
  end

  defp without_default({:\\, _, [typed, _default]}), do: typed
  defp without_default(typed), do: typed

  defp without_type({:\\, meta, [typed, default]}),
    do: {:\\, meta, [without_type(typed), default]}

  defp without_type({:"::", _, [name, _type]}), do: name
end
