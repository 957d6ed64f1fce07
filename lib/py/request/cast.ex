defmodule Py.Request.Cast do
  @moduledoc false

  # Requests that nobody waits for. When one fails, the native side tells `Py.Attendant`, which
  # has `failed/3` run in a task: what needs another round gets it there, the rest is logged.

  require Logger

  alias Py.{Callback, Native, Request}
  alias Py.Request.Route
  alias Py.Router.Extension

  @type info :: %{
          format: Native.format(),
          routed?: boolean,
          caller: pid,
          leader: pid
        }

  @doc "What will have to be known of a cast if it fails."
  @spec info(Native.format(), boolean) :: info
  def info(format, routed?),
    do: %{format: format, routed?: routed?, caller: self(), leader: Process.group_leader()}

  @doc "Does what is left to do about a failed cast."
  @spec failed(info, Native.op(), Native.reason()) :: :ok
  def failed(info, op, reason), do: info |> again(op, reason) |> report(op)

  @doc "Runs the function that Python left to its caller."
  @spec finish(Callback.target(), list) :: :ok
  def finish(target, args), do: target |> Callback.finish(args) |> report({:schedule, target})

  @doc "An operation in a few words."
  @spec describe(Native.op() | {:schedule, Callback.target()}) :: String.t()
  def describe({:call, module, function, _args, _kwargs}), do: "#{module}.#{function}"
  def describe({:call_method, object, method, _args, _kwargs}), do: "#{object.type}.#{method}"
  def describe({:schedule, target}), do: "the scheduled function #{inspect(target)}"
  def describe(op), do: inspect(elem(op, 0))

  defp again(%{routed?: routed?, format: format}, op, reason) do
    failed = {:error, Request.exception(reason)}
    if routed? and Extension.moves?(failed, op), do: Route.in_worker(op, format), else: failed
  end

  defp report({:error, error}, op) do
    Logger.error(["Py.cast of ", describe(op), " failed: ", Exception.message(error)])
  end

  defp report(_done, _op), do: :ok
end
