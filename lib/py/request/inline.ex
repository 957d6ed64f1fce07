defmodule Py.Request.Inline do
  @moduledoc false

  # Which operations run on their caller's own scheduler: those with the option `inline: true`, and
  # the functions that are registered. It is a promise that they are short.
  #
  # A call that took over a millisecond has broken it, unless Python's garbage collection fell into
  # it. (What the operating system gave to others meanwhile is not counted where it tells.) So time
  # is weighed: each such call costs what it took, each short one since the last of them earns a
  # microsecond, and what is 10 ms in debt goes to a worker for the next minute.

  require Logger

  # Read by every call, written when a function is registered or was slow:
  # `%{key => {registered?, debt, until}}`, in microseconds and in monotonic milliseconds.
  @table __MODULE__

  @patience 10_000
  @penalty 60_000
  @most 1_000

  @type how :: timeout | {:inline, timeout}

  @doc "How an operation is to be waited for whose option `inline:` has that value."
  @spec how(Py.Native.op(), boolean, timeout) :: how
  def how(op, wanted?, timeout) do
    case :persistent_term.get(@table, nil) do
      nil -> if wanted?, do: {:inline, timeout}, else: timeout
      table -> if allowed?(table, key(op), wanted?), do: {:inline, timeout}, else: timeout
    end
  end

  defp allowed?(table, key, wanted?) do
    case table do
      %{^key => {registered?, debt, until}} ->
        (wanted? or registered?) and (debt < @patience or now() >= until)

      _table ->
        wanted?
    end
  end

  @doc "How long that is."
  @spec timeout(how) :: timeout
  def timeout({:inline, timeout}), do: timeout
  def timeout(timeout), do: timeout

  @doc "Has calls of that function run inline without being told."
  @spec register({atom | binary, atom | binary}) :: :ok
  def register(function) do
    update(fn table -> Enum.reduce(spellings(function), table, &Map.put(&2, &1, {true, 0, 0})) end)
  end

  @doc "Takes that back, and forgives the function how slow it was."
  @spec unregister({atom | binary, atom | binary}) :: :ok
  def unregister(function), do: update(&Map.drop(&1, spellings(function)))

  @doc "Forgets everything, when the application stops."
  @spec clear() :: boolean
  def clear, do: :persistent_term.erase(@table)

  @doc "An operation has taken so many microseconds of its caller's scheduler, after so many others."
  @spec slow(Py.Native.op(), pos_integer, non_neg_integer) :: :ok
  def slow(op, microseconds, others) do
    key = key(op)

    update(fn table ->
      {registered?, before, until} = Map.get(table, key, {false, 0, 0})
      # What gets another chance begins without debt.
      before = if before < @patience, do: max(before - others, 0), else: 0
      debt = before + microseconds

      if debt < @patience do
        Map.put(table, key, {registered?, debt, until})
      else
        report(op, microseconds)
        Map.put(table, key, {registered?, debt, now() + @penalty})
      end
    end)
  end

  defp key({:call, module, function, _args, _kwargs}), do: {module, function}
  defp key({:call_method, _object, method, _args, _kwargs}), do: {:method, method}
  defp key({:call_object, object, _args, _kwargs}), do: {:object, object.type}
  defp key({:eval, code, _vars}), do: {:eval, :erlang.phash2(code)}
  defp key(op), do: elem(op, 0)

  # Callers may say `:math` or `"math"`; here it costs less to know both than to convert there.
  defp spellings({module, function}) do
    for module <- spellings(module), function <- spellings(function), do: {module, function}
  end

  defp spellings(name) when is_atom(name), do: [name, Atom.to_string(name)]
  defp spellings(name) when is_binary(name), do: [name, String.to_atom(name)]

  # Of two that do this at the same time one may be lost; a slow function will be slow again.
  defp update(change),
    do:
      :persistent_term.put(@table, @table |> :persistent_term.get(%{}) |> bounded() |> change.())

  # Code to evaluate may be another text each time.
  defp bounded(table) when map_size(table) < @most, do: table
  defp bounded(table), do: Map.filter(table, fn {_key, {registered?, _, _}} -> registered? end)

  defp now, do: System.monotonic_time(:millisecond)

  defp report(op, microseconds) do
    Py.Telemetry.slow_inline(op, microseconds)

    Logger.warning(
      "#{Py.Request.Cast.describe(op)} ran inline and took #{microseconds / 1_000} ms of its " <>
        "caller's scheduler. It goes to a worker for the next minute: only what takes far less " <>
        "than a millisecond is to be called with inline: true"
    )
  end
end
