defmodule Py.Request.Waiting do
  @moduledoc false

  # Hands an operation over and waits for what comes of it. Until the answer is there, the caller
  # runs the callbacks of its request and writes its output. How the answer is waited for:
  #
  #   * `timeout` - in this call, so many milliseconds
  #   * `{:timed, timeout}` - likewise, and `Py.Telemetry` is told how long it took
  #   * `{:inline, timeout}` - likewise, but on this scheduler if the context is idle
  #   * `{:spawn, tag, timeout}` - by the caller's own loop; here only a ticket comes back, in that
  #     time
  #   * `{:keep, tag, timeout}` - likewise, but the native side keeps the answer until
  #     `Py.Request.Spawned` fetches it
  #   * `{:task, info, timeout}` - by whoever gets the message; see `Py.EventLoop.Tasks`
  #   * `{:cast, routed?}` - by nobody; `Py.Attendant` hears of a failure

  alias Py.{Callback, ContextError, Deadline, Native, Output, Request, Telemetry}
  alias Py.Context.Remote
  alias Py.Encoder.Walk
  alias Py.EventLoop.Tasks
  alias Py.Request.Inline

  @type how ::
          timeout
          | {:timed | :inline, timeout}
          | {:spawn | :keep, Native.tag(), timeout}
          | {:task, info :: map, timeout}
          | {:cast, routed? :: boolean}
  @type outcome ::
          Request.result() | {:spawned, Native.ticket() | pid} | {:task, Native.ticket()} | :ok

  @gone [:closed, :not_found]

  # What the last message of a request begins with.
  @answers [:ok, :error, :schedule, :done, :timed]

  # Bytes of output that are written together, at most.
  @at_once 65_536

  @doc """
  Submits an operation and, unless told otherwise, waits for its answer.

  A pool's slots may also be found wanting: a context has to be opened, or has just died.
  """
  @spec submit(Native.target(), Native.op(), Native.scope(), Native.format(), how) ::
          outcome | {:unopened, non_neg_integer} | :gone
  def submit(target, op, scope, format, {kind, tag, _timeout} = how)
      when kind in [:spawn, :keep] do
    op = Walk.ahead(op)
    kind = {if(Telemetry.calls?(), do: :timed_spawn, else: :spawn), Process.group_leader()}

    with {:wait, ticket} <- Native.request_submit(target, op, scope, format, kind),
         :wait <- expect(how, ticket, tag) do
      {:spawned, ticket}
    else
      answer -> at_once(answer, target, op, scope, format, how)
    end
  end

  def submit(target, op, scope, format, {:task, info, timeout} = how) do
    op = Walk.ahead(op)
    kind = {:task, Process.group_leader(), info, timeout}

    case Native.request_submit(target, op, scope, format, kind) do
      {:wait, ticket} -> {:task, ticket}
      answer -> at_once(answer, target, op, scope, format, how)
    end
  end

  def submit(target, op, scope, format, {:cast, routed?} = how) do
    op = Walk.ahead(op)
    kind = {:cast, Process.group_leader(), routed?}

    case Native.request_submit(target, op, scope, format, kind) do
      :ok -> :ok
      answer -> at_once(answer, target, op, scope, format, how)
    end
  end

  def submit(target, op, scope, format, {:inline, timeout}) do
    case Native.request_submit(target, op, scope, format, :inline) do
      {:ok, _value} = ok ->
        ok

      {:slow, microseconds, others, answer} ->
        Inline.slow(op, microseconds, others)
        submitted(answer, target, op, scope, format, timeout)

      answer ->
        submitted(answer, target, op, scope, format, timeout)
    end
  end

  def submit(target, op, scope, format, {:timed, timeout}),
    do: submit(target, op, scope, format, timeout, :timed_call)

  def submit(target, op, scope, format, timeout),
    do: submit(target, op, scope, format, timeout, :call)

  defp submit(target, op, scope, format, timeout, kind) do
    case Native.request_submit(target, op, scope, format, kind) do
      {:ok, _value} = ok -> ok
      answer -> submitted(answer, target, op, scope, format, timeout)
    end
  end

  defp submitted({:wait, ticket}, target, op, scope, format, timeout) do
    # Made in the function that receives, so that the emulator skips all older messages.
    tag = make_ref()

    case look(ticket, tag) do
      :wait ->
        deadline = Deadline.new(timeout)

        receive do
          {^tag, {:ok, _value} = ok} -> ok
          {^tag, message} -> heard(message, tag, ticket, deadline, {target, op, scope, format})
        after
          timeout -> expire(ticket, tag)
        end

      answer ->
        at_once(answer, target, op, scope, format, timeout)
    end
  end

  defp submitted(answer, target, op, scope, format, timeout),
    do: at_once(answer, target, op, scope, format, timeout)

  @doc """
  Looks for some microseconds whether the message of a task is about to come, unless other
  processes want this scheduler.
  """
  @spec look(Native.ticket()) :: :ok
  def look(ticket), do: if(others() == 0, do: Native.request_look(ticket), else: :ok)

  defp look(ticket, tag), do: Native.request_fetch(ticket, tag, others())

  # How many processes wait for each scheduler.
  defp others do
    case :erlang.statistics(:total_run_queue_lengths) do
      0 -> 0
      waiting -> div(waiting - 1, :erlang.system_info(:schedulers_online)) + 1
    end
  end

  # What is kept is not expected before it is awaited.
  defp expect({:spawn, _tag, _timeout}, ticket, tag), do: Native.request_expect(ticket, tag)
  defp expect({:keep, _tag, _timeout}, _ticket, _tag_too), do: :wait

  @doc "How long whoever submits an operation in that way waits, at most."
  @spec limit(how) :: timeout
  def limit({kind, timeout}) when kind in [:timed, :inline], do: timeout
  def limit({kind, _tag_or_info, timeout}) when kind in [:spawn, :keep, :task], do: timeout
  def limit({:cast, _routed?}), do: :infinity
  def limit(timeout), do: timeout

  @doc "The same way, with that limit."
  @spec within(how, timeout) :: how
  def within({kind, _timeout}, timeout) when kind in [:timed, :inline], do: {kind, timeout}

  def within({kind, tag_or_info, _timeout}, timeout) when kind in [:spawn, :keep, :task],
    do: {kind, tag_or_info, timeout}

  def within({:cast, _routed?} = how, _timeout), do: how
  def within(_timeout, timeout), do: timeout

  @doc "Stops a request; its messages are gone from the mailbox when this returns."
  @spec stop(Native.ticket() | pid, Native.tag()) :: :cancelled | {:answered, term}
  def stop(ticket, tag) do
    case if(is_pid(ticket), do: Remote.cancel(ticket), else: Native.request_cancel(ticket)) do
      :cancelled -> drain(tag)
      :replied -> {:answered, last(tag)}
    end
  end

  @doc "The error of a request that took too long."
  @spec timeout() :: {:error, ContextError.t()}
  def timeout, do: {:error, %ContextError{reason: :timeout}}

  ## What comes back at once

  defp at_once({:timed, times, answer}, target, op, scope, format, how) do
    Telemetry.note(times)
    at_once(answer, target, op, scope, format, how)
  end

  defp at_once({:ok, _value} = ok, _target, _op, _scope, _format, _how), do: ok

  defp at_once({:error, {:context, reason}}, target, _op, _scope, _format, _how)
       when reason in @gone and is_tuple(target),
       do: :gone

  # A pid stands for a context that is or was; only names and places can be wrong.
  defp at_once({:error, {:context, :not_found}}, _target, _op, _scope, _format, _how),
    do: {:error, %ContextError{reason: :closed}}

  defp at_once({:error, reason}, target, op, scope, format, how),
    do: failed(reason, {target, op, scope, format}, how)

  defp at_once({:schedule, function, args}, _target, _op, _scope, _format, _how),
    do: Callback.finish(function, args)

  defp at_once({:unopened, _index} = unopened, _target, _op, _scope, _format, _how), do: unopened

  defp at_once(:remote, _target, _op, _scope, _format, {:task, _info, _timeout}),
    do: Tasks.remote()

  # The other node may not know the structs of this one.
  defp at_once(:remote, target, op, _scope, format, how),
    do: Remote.run(target, Walk.op(op), format, how)

  ## What comes as a message

  # The ticket is held until the answer is there: a request whose ticket nobody holds is stopped.
  # The tag is an argument of its own all along, so that older messages are skipped here, too.
  defp wait(tag, ticket, deadline, request) do
    receive do
      {^tag, {:ok, _value} = ok} -> ok
      {^tag, message} -> heard(message, tag, ticket, deadline, request)
    after
      Deadline.left(deadline) -> expire(ticket, tag)
    end
  end

  defp heard({:timed, times, answer}, tag, ticket, deadline, request) do
    Telemetry.note(times)
    heard(answer, tag, ticket, deadline, request)
  end

  defp heard({:ok, _value} = ok, _tag, _ticket, _deadline, _request), do: ok

  defp heard({:error, reason}, _tag, _ticket, deadline, request),
    do: failed(reason, request, Deadline.left(deadline))

  defp heard({:schedule, function, args}, _tag, _ticket, _deadline, _request),
    do: Callback.finish(function, args)

  # The time a callback takes counts. When it is over, Python is stopped and gets no reply, or it
  # might be done before it is stopped.
  defp heard({:callback, callback, context, function, args}, tag, ticket, deadline, request) do
    reply = Callback.reply(callback, context, function, args)

    if Deadline.left(deadline) == 0 do
      expire(ticket, tag)
    else
      Native.callback_reply(callback, reply)
      wait(tag, ticket, deadline, request)
    end
  end

  # What has been printed in the meantime is written in one go, up to what comes in between.
  defp heard({:output, device, binary}, tag, ticket, deadline, request) do
    {parts, next} = more(device, [binary], byte_size(binary), tag)
    attend({:output, device, IO.iodata_to_binary(parts)})
    next(next, tag, ticket, deadline, request)
  end

  defp heard({:log, _level, _text, _record} = log, tag, ticket, deadline, request) do
    attend(log)
    next(nil, tag, ticket, deadline, request)
  end

  defp more(device, parts, size, tag) when size < @at_once do
    receive do
      {^tag, {:output, ^device, binary}} ->
        more(device, [parts | binary], size + byte_size(binary), tag)

      {^tag, next} ->
        {parts, next}
    after
      0 -> {parts, nil}
    end
  end

  defp more(_device, parts, _size, _tag), do: {parts, nil}

  # Endless output must not keep the time from being looked at.
  defp next(next, tag, ticket, deadline, request) do
    cond do
      Deadline.left(deadline) > 0 and next == nil ->
        wait(tag, ticket, deadline, request)

      Deadline.left(deadline) > 0 ->
        heard(next, tag, ticket, deadline, request)

      next != nil and answer?(next) ->
        expired(next)

      true ->
        late(next)
        expire(ticket, tag)
    end
  end

  defp answer?(message), do: elem(message, 0) in @answers

  defp attend({:output, device, binary}), do: Output.write(device, binary)
  defp attend({:log, level, text, record}), do: Output.log(level, text, record)

  # Nothing has run yet: there was a struct that has to be encoded here.
  defp failed(
         {:conversion, %{reason: :encoder, direction: :to_python}} = reason,
         {target, op, scope, format},
         how
       ) do
    case Walk.op(op) do
      ^op -> {:error, Request.exception(reason)}
      encoded -> submit(target, encoded, scope, format, how)
    end
  end

  defp failed(reason, _request, _how), do: {:error, Request.exception(reason)}

  ## What comes too late

  # Either this process cancels the request, or its answer has been sent and is taken: nothing
  # late is ever left in the mailbox.
  defp expire(ticket, tag) do
    case stop(ticket, tag) do
      {:answered, answer} -> expired(answer)
      :cancelled -> timeout()
    end
  end

  defp expired({:timed, _times, {:ok, _value} = ok}), do: ok
  defp expired({:ok, _value} = ok), do: ok
  defp expired({:error, {:conversion, %{reason: :encoder}}}), do: timeout()
  defp expired({:error, reason}), do: {:error, Request.exception(reason)}
  defp expired(_more_to_do), do: timeout()

  defp drain(tag) do
    receive do
      {^tag, message} ->
        late(message)
        drain(tag)
    after
      0 -> :cancelled
    end
  end

  defp last(tag) do
    receive do
      {^tag, message} ->
        if answer?(message) do
          message
        else
          late(message)
          last(tag)
        end
    end
  end

  # What was printed before the time was over is still shown; nothing is begun any more.
  defp late({:callback, callback, _context, :flush, _args}),
    do: Native.callback_reply(callback, {:ok, nil})

  defp late({:callback, callback, _context, _target, _args}),
    do: Callback.refuse(callback, "the caller no longer waits")

  defp late({:output, _device, _binary} = output), do: attend(output)
  defp late({:log, _level, _text, _record} = log), do: attend(log)
  defp late(_answer), do: :ok
end
