defmodule Py.Case.Erlang do
  @moduledoc "Erlang as text, as in a page of documentation."

  @doc "Runs forms that end with a dot; the last one's value and all bindings, as a keyword list."
  @spec run(String.t(), pos_integer, keyword) :: {term, keyword}
  def run(code, line, bindings) do
    {:ok, tokens, _line} = code |> String.to_charlist() |> :erl_scan.string(line)
    tokens |> forms() |> Enum.reduce({nil, bindings}, &form/2)
  end

  defp forms([]), do: []

  defp forms(tokens) do
    {form, [dot | rest]} = Enum.split_while(tokens, &(elem(&1, 0) != :dot))
    [form ++ [dot] | forms(rest)]
  end

  defp form(tokens, {_value, bindings}) do
    {:ok, expressions} = :erl_parse.parse_exprs(tokens)
    {:value, value, bindings} = :erl_eval.exprs(expressions, bindings)
    {value, bindings}
  rescue
    error ->
      line = tokens |> hd() |> elem(1)
      text = Exception.format(:error, error, __STACKTRACE__)
      reraise RuntimeError, [message: "Erlang, line #{line}: #{text}"], __STACKTRACE__
  end
end
