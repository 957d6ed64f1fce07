defmodule Py.Callback do
  @moduledoc false

  # What Python calls in the BEAM: a registered function by its name, or a function that was
  # passed to it. While one runs, its process may call Python again. What goes to the context that
  # waits is then given to that callback, since in the queue it would wait behind itself.

  alias Py.Callback.Registry
  alias Py.Encoder.Walk
  alias Py.{Error, Native}
  alias Py.Router.Pool

  @typedoc """
  A name, what was registered by it, a function passed to Python, or the question whether all
  output is out
  """
  @type target :: binary | Registry.entry() | fun | :flush

  @type failure ::
          {:error | :exit | :throw, message :: binary, stacktrace :: [binary],
           exception :: Py.Object.t() | nil}
  @type reply :: {:ok, term} | {:error, failure}

  # The callbacks this process runs, innermost first, each with the context that waits for it. As
  # all calls look there, they do without `Process.get/1`, which is two calls further away.
  @open :"$py_callbacks"

  @doc "Runs a callback in this process and gives Python what came of it."
  @spec answer(Native.callback(), pid | nil, target, list) :: :ok | :gone
  def answer(callback, context, target, args),
    do: Native.callback_reply(callback, reply(callback, context, target, args))

  @doc "What comes of a callback that runs in this process."
  @spec reply(Native.callback(), pid | nil, target, list) :: reply
  def reply(_callback, _context, :flush, _args), do: {:ok, nil}

  def reply(callback, context, target, args) do
    outer = Process.get(@open)
    Process.put(@open, [{context, callback} | outer || []])
    reply = run(target, args)
    if outer, do: Process.put(@open, outer), else: Process.delete(@open)
    reply
  end

  @doc "Tells Python that there will be no answer."
  @spec refuse(Native.callback(), binary) :: :ok | :gone
  def refuse(callback, message),
    do: Native.callback_reply(callback, {:error, {:exit, message, [], nil}})

  @doc "The value of a function, as Python gets it. Whatever the function does, this returns."
  @spec run(target, list) :: reply
  def run(target, args) do
    {:ok, target |> apply_to(args) |> Walk.value()}
  catch
    kind, reason -> {:error, failure(kind, reason, __STACKTRACE__)}
  end

  @doc "The same for a function that Python left to its caller: nobody in Python hears of it."
  @spec finish(target, list) :: {:ok, term} | {:error, Exception.t()}
  def finish(target, args) do
    {:ok, apply_to(target, args)}
  rescue
    error in [Error] -> {:error, error}
    error -> {:error, error(failure(:error, error, __STACKTRACE__))}
  catch
    kind, reason -> {:error, error(failure(kind, reason, __STACKTRACE__))}
  end

  @doc "Calls a function; for a caller that wants to see it crash."
  @spec apply_to(target, list) :: term
  def apply_to(fun, args) when is_function(fun), do: apply(fun, args)
  def apply_to({:list, fun}, args) when is_function(fun), do: fun.(args)
  def apply_to({:applied, fun}, args) when is_function(fun), do: apply(fun, args)
  def apply_to({module, function}, args), do: apply(module, function, args)

  def apply_to(name, args) do
    case Registry.fetch(name) do
      {:ok, entry} -> apply_to(entry, args)
      :error -> raise ArgumentError, "no function is registered as #{inspect(name)}"
    end
  end

  @doc "The innermost callback this process runs for that context, or `nil`."
  @spec open(pid) :: Native.callback() | nil
  def open(context) do
    case :erlang.get(@open) do
      :undefined -> nil
      open -> with {_context, callback} <- List.keyfind(open, context, 0), do: callback
    end
  end

  @doc "The innermost callback this process runs for a context of that pool, or of any."
  @spec innermost(Pool.name() | nil) :: {pid, Native.callback()} | nil
  def innermost(pool) do
    case :erlang.get(@open) do
      :undefined -> nil
      [innermost | _outer] when pool == nil -> innermost
      open -> Enum.find(open, fn {context, _callback} -> in_pool?(context, pool) end)
    end
  end

  @doc "An Elixir exception, exit or throw as Python is told of it."
  @spec failure(:error | :exit | :throw, term, Exception.stacktrace()) :: failure
  def failure(kind, reason, stacktrace) do
    # The frames from here outwards are the same for every callback.
    frames = Enum.take_while(stacktrace, fn entry -> elem(entry, 0) != __MODULE__ end)
    reason = Exception.normalize(kind, reason, stacktrace)
    lines = Enum.map(frames, &Exception.format_stacktrace_entry/1)
    {kind, message(kind, reason), lines, exception(reason)}
  end

  defp in_pool?(context, pool), do: context in Tuple.to_list(Pool.slots(pool) || {})

  defp message(:error, error), do: "#{inspect(error.__struct__)}: #{Exception.message(error)}"
  defp message(:exit, reason), do: Exception.format_exit(reason)
  defp message(:throw, value), do: inspect(value)

  # What Python raised in between becomes the cause of what it gets.
  defp exception(%Error{exception: exception}), do: exception
  defp exception(_reason), do: nil

  # Looks as if Python had raised it.
  defp error({kind, message, frames, _exception}) do
    text = "#{kind}: #{message}"
    last = "erlang.CallbackError: #{text}"
    lines = ["Stacktrace in the BEAM:" | Enum.map(frames, &("  " <> &1))] ++ [last]
    %Error{type: "erlang.CallbackError", message: text, traceback: lines}
  end
end
