defmodule Py.Request.Inline do
  @moduledoc false

  # Which operations run on their caller's own scheduler: those with the option `inline: true`, and
  # the functions that are registered. It is a promise that they are short.
  #
  # A call that took over a millisecond has broken it, unless Python's garbage collection fell into
  # it. (What the operating system gave to others meanwhile is not counted where it tells.) So time
  # is weighed: each such call costs what it took, each short one since the last of them earns a
  # microsecond, and what is 10 ms in debt goes to a worker for the next minute.

  alias Py.Request.Settings

  require Logger

  # Read when a call was slow, unlike the table among the settings, which is read by every call:
  # `%{key => microseconds}`.
  @debts __MODULE__

  @patience 10_000
  @penalty 60_000
  @most 1_000

  @type how :: timeout | {:inline, timeout}

  @typedoc """
  Which functions are registered, and until when they, or others, go to a worker, in monotonic
  milliseconds.
  """
  @type table :: %{key => {registered? :: boolean, until :: integer}}
  @typep key :: tuple | atom

  @doc "How an operation is to be waited for whose option `inline:` has that value."
  @spec how(table | nil, Py.Native.op(), boolean, timeout) :: how
  def how(table, op, wanted?, timeout),
    do: if(inline?(table, op, wanted?), do: {:inline, timeout}, else: timeout)

  defp inline?(nil, _op, wanted?), do: wanted?

  defp inline?(table, op, wanted?) do
    key = key(op)

    case table do
      %{^key => {registered?, until}} -> (wanted? or registered?) and now() >= until
      _table -> wanted?
    end
  end

  @doc "How long that is."
  @spec timeout(how) :: timeout
  def timeout({:inline, timeout}), do: timeout
  def timeout(timeout), do: timeout

  @doc "Has calls of that function run inline without being told."
  @spec register({atom | binary, atom | binary}) :: :ok
  def register(function) do
    forgive(function)
    registered = Map.from_keys(spellings(function), {true, now()})
    Settings.update(:inline, &Map.merge(&1, registered))
  end

  @doc "Takes that back, and forgives the function how slow it was."
  @spec unregister({atom | binary, atom | binary}) :: :ok
  def unregister(function) do
    forgive(function)
    Settings.update(:inline, &Map.drop(&1, spellings(function)))
  end

  defp forgive(function), do: put_debts(Map.drop(debts(), spellings(function)))

  @doc "Forgets everything, when the application stops."
  @spec clear() :: boolean
  def clear do
    Settings.update(:inline, fn _table -> %{} end)
    :persistent_term.erase(@debts)
  end

  @doc "An operation has taken so many microseconds of its caller's scheduler, after so many others."
  @spec slow(Py.Native.op(), pos_integer, non_neg_integer) :: :ok
  def slow(op, microseconds, others) do
    key = key(op)
    debts = debts()
    debt = max(Map.get(debts, key, 0) - others, 0) + microseconds

    if debt < @patience do
      put_debts(Map.put(debts, key, debt))
    else
      report(op, microseconds)
      # What gets another chance begins without debt.
      put_debts(Map.delete(debts, key))
      until = now() + @penalty
      Settings.update(:inline, &Map.put(bounded(&1), key, {registered?(&1, key), until}))
    end
  end

  defp registered?(table, key), do: match?(%{^key => {true, _until}}, table)

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

  # Code to evaluate may be another text each time.
  defp bounded(table) when map_size(table) < @most, do: table
  defp bounded(table), do: Map.filter(table, &match?({_key, {true, _until}}, &1))

  defp debts, do: :persistent_term.get(@debts, %{})

  # Of two that do this at the same time one may be lost; a slow function will be slow again.
  defp put_debts(debts) when map_size(debts) < @most, do: :persistent_term.put(@debts, debts)
  defp put_debts(_too_many), do: :persistent_term.put(@debts, %{})

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
