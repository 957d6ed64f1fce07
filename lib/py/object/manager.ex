defmodule Py.Object.Manager do
  @moduledoc false

  # Context managers: what a `with` statement does, with a function for its block.

  alias Py.{Callback, Error, Object, Request}

  # One request, so that nothing comes between the parts.
  @leave "bool(type(manager).__exit__(manager, type(error), error, error.__traceback__))"

  @doc "Enters the object, runs the function with what that gives, and leaves the object."
  @spec run(Object.t(), (term -> result)) :: result | nil when result: term
  def run(object, fun) do
    entered = Object.call_method!(object, :__enter__)

    try do
      fun.(entered)
    catch
      kind, reason ->
        exception = exception(object, kind, reason, __STACKTRACE__)
        vars = %{manager: object, error: exception}

        # As in Python: true means that the exception has been dealt with.
        if @leave |> Request.eval(vars, context: object.context) |> Request.bang!(),
          do: nil,
          else: :erlang.raise(kind, reason, __STACKTRACE__)
    else
      result ->
        Object.call_method!(object, :__exit__, [nil, nil, nil])
        result
    end
  end

  defp exception(
         %{context: context},
         :error,
         %Error{exception: %{context: context} = exception},
         _
       ),
       do: exception

  defp exception(object, kind, reason, stacktrace) do
    {kind, message, frames, _exception} = Callback.failure(kind, reason, stacktrace)
    arguments = [Atom.to_string(kind), message, frames, nil]
    options = [context: object.context, return: :object]
    Request.bang!(Request.call("erlang", "CallbackError", arguments, options))
  end
end
