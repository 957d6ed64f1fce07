defmodule Py.Request.Batch do
  @moduledoc false

  # Many calls that go in one crossing each few. How many go together is found out: a crossing
  # costs some microseconds, so short calls had better share one, while calls of a millisecond are
  # better spread over the contexts. Each chunk that came back quickly makes the next one twice as
  # large, each slow one half.

  alias Py.{Deadline, Native, Request, Router, Telemetry}
  alias Py.Request.{Route, Spawned, Waiting}

  @type call :: {Native.op(), options :: map}

  # Microseconds that a chunk had better take.
  @quick 500
  @slow 2_000

  @largest 1_000

  @doc "The results of calls, in their order, within the time that the options give them all."
  @spec run([call], map, Native.format()) :: [Request.result()]
  def run(calls, options, format) do
    # Whoever listens wants to hear of each.
    if Telemetry.calls?(),
      do: apart(calls, options, format),
      else: together(calls, options, format)
  end

  defp apart(calls, options, format) do
    deadline = Deadline.new(options.timeout)

    calls
    |> Enum.map(fn {op, own} ->
      Spawned.start(op, within(own, deadline), Request.format(own, format))
    end)
    |> Spawned.await_many(Deadline.left(deadline))
  end

  defp together(calls, options, format) do
    collect(%{
      left: calls,
      format: format,
      deadline: Deadline.new(options.timeout),
      lanes: lanes(options),
      size: 1,
      next: 0,
      out: %{},
      results: %{}
    })
  end

  # Each context has one chunk to work on and one to go on with.
  defp lanes(%{context: nil, pool: pool}), do: 2 * max(Router.num_contexts(pool || :default), 1)
  defp lanes(_one_context), do: 2

  defp collect(%{left: [_ | _], out: out, lanes: lanes} = state) when map_size(out) < lanes do
    if Deadline.left(state.deadline) == 0,
      do: expire(state),
      else: state |> submit() |> collect()
  end

  defp collect(%{out: out, results: results} = state) when map_size(out) == 0,
    do: Enum.flat_map(0..(state.next - 1)//1, &Map.fetch!(results, &1))

  defp collect(%{out: out, deadline: deadline} = state) do
    receive do
      {tag, answer} when is_map_key(out, tag) -> state |> answered(tag, answer) |> collect()
    after
      Deadline.left(deadline) -> expire(state)
    end
  end

  defp submit(%{left: left, size: size, next: next, format: format} = state) do
    {chunk, left} = next_chunk(left, size)
    {op, options} = merge(chunk)
    state = %{state | left: left, next: next + 1}
    tag = make_ref()

    options = within(options, state.deadline)

    case Spawned.submit(op, options, Request.format(options, format), tag) do
      {:spawned, ticket} ->
        put_in(state.out[tag], {next, chunk, ticket, System.monotonic_time(:microsecond)})

      {:ok, answers} ->
        put_in(state.results[next], settle({:ok, answers}, chunk, state))

      {:error, _exception} = error ->
        put_in(state.results[next], List.duplicate(error, length(chunk)))
    end
  end

  defp answered(state, tag, answer) do
    {{index, chunk, _ticket, started}, out} = Map.pop!(state.out, tag)
    took = System.monotonic_time(:microsecond) - started
    results = Map.put(state.results, index, settle(answer, chunk, state))
    %{state | out: out, results: results, size: size(state.size, length(chunk), took)}
  end

  # The last chunks are smaller than they might be, which says nothing.
  defp size(size, count, took) when took < @quick and count >= size, do: min(size * 4, @largest)
  defp size(size, _count, took) when took > @slow, do: max(div(size, 2), 1)
  defp size(size, _count, _took), do: size

  defp expire(%{out: out, results: results} = state) do
    stopped =
      for {tag, {index, chunk, ticket, _started}} <- out, into: results do
        case Waiting.stop(ticket, tag) do
          {:answered, answer} -> {index, settle(answer, chunk, state)}
          :cancelled -> {index, late(chunk)}
        end
      end

    collect(%{state | out: %{}, left: [], results: stopped}) ++ late(state.left)
  end

  defp late(calls), do: Enum.map(calls, fn _call -> Waiting.timeout() end)

  ## Chunks

  # Calls of one function that may run in any context the options allow.
  defp next_chunk([{{:call, module, function, _, _} = op, options} = first | left], size) do
    if movable?(op),
      do: alike(left, {module, function, options}, size - 1, [first]),
      else: {[first], left}
  end

  defp next_chunk([method | left], _size), do: {[method], left}

  defp alike(
         [{{:call, module, function, _, _} = op, options} = call | left],
         {module, function, options} = kind,
         count,
         chunk
       )
       when count > 0 do
    if movable?(op),
      do: alike(left, kind, count - 1, [call | chunk]),
      else: {Enum.reverse(chunk), [call | left]}
  end

  defp alike(left, _kind, _count, chunk), do: {Enum.reverse(chunk), left}

  # An object decides where its call has to run.
  defp movable?(op), do: Route.owner(op) == nil

  defp merge([{op, options}]), do: {op, options}

  defp merge([{_op, options} | _rest] = chunk) do
    calls =
      for {{:call, module, function, args, kwargs}, _} <- chunk,
          do: {module, function, args, kwargs}

    {{:batch, calls}, options}
  end

  defp settle(answer, [call], state), do: [settled(answer, call, state)]
  defp settle({:done, result}, chunk, state), do: settle(result, chunk, state)

  defp settle({:ok, answers}, chunk, state),
    do: settled_each(answers, chunk, state)

  defp settle({:error, %_{}} = error, chunk, _state), do: List.duplicate(error, length(chunk))

  defp settle({:error, reason}, chunk, _state),
    do: List.duplicate({:error, Request.exception(reason)}, length(chunk))

  defp settled({:ok, _value} = ok, {_op, options}, _state), do: Request.decode(ok, options)

  defp settled(answer, {op, options}, %{format: format, deadline: deadline}),
    do: Spawned.settle(answer, op, within(options, deadline), format)

  defp settled_each([answer | answers], [call | chunk], state),
    do: [settled(answer, call, state) | settled_each(answers, chunk, state)]

  defp settled_each([], [], _state), do: []

  defp within(options, deadline), do: %{options | timeout: Deadline.left(deadline)}
end
