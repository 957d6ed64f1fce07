defmodule Py.Case.Flights do
  @moduledoc """
  Stops the application with work in flight, again and again. It is meant for a BEAM of its own:
  see `Py.Child`.
  """

  @calls 100
  @streams 10
  @callbacks 10

  @doc """
  The kinds of answers there were, what was left in the mailboxes of the callers, and what the
  native side still has when the application is stopped for the last time.
  """
  @spec run(pos_integer) :: {%{atom => pos_integer}, [term], %{atom => non_neg_integer}}
  def run(rounds) do
    Logger.configure(level: :none)
    {answers, left} = Enum.unzip(Enum.flat_map(1..rounds, fn _ -> round() end))
    :ok = Application.stop(:erlang_python)
    Py.Case.eventually(fn -> remains().contexts == 0 end)
    {answers |> Enum.concat() |> Enum.frequencies(), Enum.concat(left), remains()}
  end

  defp remains do
    {:ok, _} = Application.ensure_all_started(:erlang_python)
    info = Py.info()
    :ok = Application.stop(:erlang_python)
    abandoned = info.abandoned_threads + info.abandoned_interpreters
    %{contexts: info.open_contexts, abandoned: abandoned}
  end

  defp round do
    parent = self()

    works =
      for {work, count} <- Enum.zip(works(), [@calls, @streams, @callbacks]),
          _ <- 1..count,
          do: work

    flying =
      for work <- works do
        Task.async(fn ->
          # Only now is it sure to be in flight when the application stops.
          :ok = work.()
          send(parent, :flying)
          answers = fly(work, [])
          {answers, self() |> Process.info(:messages) |> elem(1)}
        end)
      end

    for _ <- flying, do: receive(do: (:flying -> :ok))
    :ok = Application.stop(:erlang_python)
    results = Task.await_many(flying, 60_000)
    {:ok, _} = Application.ensure_all_started(:erlang_python)
    {:ok, 2} = Py.eval("1 + 1")
    results
  end

  # Until it meets the end.
  defp fly(work, answers) do
    case work.() do
      :ok -> fly(work, [:ok])
      reason -> [reason | answers]
    end
  end

  @doc "A call, a stream and a callback. Each answers `:ok` or with the reason why it could not."
  @spec works() :: [(() -> atom)]
  def works, do: [&call/0, &stream/0, &callback/0]

  defp call, do: kind(Py.call(:builtins, :sum, [[1, 2, 3]]))

  defp callback do
    inner = fn -> Py.call!(:math, :sqrt, [16]) end
    kind(Py.eval("[fun() for _ in range(3)]", %{fun: inner}))
  end

  defp stream do
    Py.stream(:builtins, :range, [1_000], batch: 10) |> Stream.run()
  rescue
    error in [Py.ContextError, Py.Error] -> kind({:error, error})
  end

  @doc "`:ok`, or the kind of the error; of one that should not be, what Python says."
  @spec kind(Py.Request.result()) :: atom | String.t()
  def kind({:ok, _value}), do: :ok
  def kind({:error, %Py.ContextError{reason: reason}}), do: reason
  def kind({:error, %Py.Error{type: "erlang.CallbackError"}}), do: :callback
  def kind({:error, %Py.Error{} = error}), do: Exception.message(error)
  def kind({:error, %error{}}), do: error
end
