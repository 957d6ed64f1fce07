defmodule Py.ReplyTest do
  # The races of `native/py_nif/src/reply.rs`: an answer in the slot, in time or late, by message,
  # kept until it is fetched, cancelled, or just too late to be cancelled. Python works for about
  # as long as a submitter waits, so that each happens many times over.
  use Py.Case, async: true

  alias Py.Native

  @processes 16
  @calls 1_500

  setup do
    # What is cancelled stays in the queue until its turn, and there is a lot of it.
    context = start_context(max_queue: 2 * @processes * @calls)

    :ok =
      Py.Context.exec(context, """
      from time import perf_counter_ns

      def busy(number, nanoseconds):
          end = perf_counter_ns() + nanoseconds
          while perf_counter_ns() < end:
              pass
          return number
      """)

    %{context: context}
  end

  test "every request has exactly one answer, whichever way it comes", %{context: context} do
    assert seen_in_rounds(context, [:slot, :late_in_the_slot, :message], fn number ->
             for call <- 1..@calls do
               value = number * @calls + call
               {way, ^value} = ask(context, value, rem(call, 9) * 1_000)
               way
             end
           end)
  end

  test "a request that is cancelled at any moment leaves no message", %{context: context} do
    assert seen_in_rounds(context, [:cancelled, :replied], fn number ->
             for call <- 1..@calls,
                 do: cancel(context, number * @calls + call, rem(call, 9) * 1_000)
           end)

    assert Py.Context.eval(context, "1 + 1") == {:ok, 2}
  end

  test "an answer that is kept is fetched, or comes as a message from then on", %{
    context: context
  } do
    assert seen_in_rounds(context, [:slot, :message], fn number ->
             for call <- 1..@calls do
               value = number * @calls + call
               {way, ^value} = fetch(context, value, rem(call, 9) * 1_000)
               way
             end
           end)
  end

  test "an answer that is kept goes with its request, and leaves no message", %{
    context: context
  } do
    assert seen_in_rounds(context, [:cancelled], fn number ->
             for call <- 1..@calls do
               ticket = spawn_call(context, number * @calls + call, rem(call, 9) * 1_000)
               linger(call)
               :cancelled = Native.request_cancel(ticket)
               :wait = Native.request_fetch(ticket, make_ref(), 0)
               :cancelled
             end
           end)

    assert Py.Context.eval(context, "1 + 1") == {:ok, 2}
  end

  # Many at once, then one alone, which finds the worker awake and done in time unless the machine
  # is so busy that it seldom is: then it takes more rounds.
  defp seen_in_rounds(context, ways, work) do
    rounds = Stream.cycle([@processes, 1]) |> Stream.take(200)

    Enum.reduce_while(rounds, MapSet.new(), fn processes, seen ->
      seen = processes |> in_parallel(work) |> MapSet.new() |> MapSet.union(seen)
      # What one round leaves in the queue takes no room from the next.
      {:ok, 1} = Py.Context.eval(context, "1", %{}, timeout: :infinity)
      if Enum.all?(ways, &(&1 in seen)), do: {:halt, true}, else: {:cont, seen}
    end) == true
  end

  defp ask(context, value, nanoseconds) do
    case submit(context, value, nanoseconds, :call) do
      {:ok, answer} ->
        {:slot, answer}

      {:wait, ticket} ->
        tag = make_ref()
        # In half of the cases it takes a moment to come back.
        if rem(value, 2) == 0, do: linger(value)
        expected(Native.request_expect(ticket, tag), tag, ticket, :late_in_the_slot)
    end
  end

  defp expected({:ok, answer}, _tag, _ticket, way), do: {way, answer}
  defp expected(:wait, tag, ticket, _way), do: {:message, receive_answer(tag, ticket)}

  # The ticket is held until then: what nobody holds a ticket for is stopped.
  defp receive_answer(tag, ticket) do
    receive do
      {^tag, {:ok, answer}} ->
        :replied = Native.request_cancel(ticket)
        answer
    end
  end

  defp cancel(context, value, nanoseconds) do
    tag = make_ref()
    ticket = spawn_call(context, value, nanoseconds)

    case Native.request_expect(ticket, tag) do
      {:ok, ^value} ->
        :slot

      :wait ->
        linger(value)

        case Native.request_cancel(ticket) do
          :replied -> receive(do: ({^tag, {:ok, ^value}} -> :replied))
          :cancelled -> :cancelled
        end
    end
  end

  defp fetch(context, value, nanoseconds) do
    tag = make_ref()
    ticket = spawn_call(context, value, nanoseconds)
    linger(value)
    expected(Native.request_fetch(ticket, tag, 0), tag, ticket, :slot)
  end

  defp spawn_call(context, value, nanoseconds) do
    {:wait, ticket} = submit(context, value, nanoseconds, {:spawn, Process.group_leader()})
    ticket
  end

  # Something between nothing and the time the answer takes, without a clock.
  defp linger(number), do: Enum.sum(1..(1 + rem(number * 7_919, 2_000)))

  defp submit(context, value, nanoseconds, kind) do
    op = {:call, :__main__, :busy, [value, nanoseconds], []}
    Native.request_submit(context, op, :context, :term, kind)
  end

  # Each process looks at its own mailbox in the end; what comes after that would be caught by
  # the context's own test: it answers in order.
  defp in_parallel(processes, work) do
    1..processes
    |> Task.async_stream(
      fn number ->
        ways = work.(number)
        refute_received _message
        ways
      end,
      max_concurrency: @processes,
      timeout: 60_000
    )
    |> Enum.flat_map(fn {:ok, ways} -> ways end)
  end
end
