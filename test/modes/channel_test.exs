defmodule Py.Modes.ChannelTest do
  # Waiting at a channel, in every mode. What channels can do in detail is in test/py.
  use Py.Case, async: false

  alias Py.{Channel, Context, ContextError, Error}

  @code """
  import asyncio, erlang, threading
  def double(questions, answers):
      for n in questions:
          answers.send(2 * n)
      answers.close()
  async def double_later(questions, answers):
      async for n in questions:
          await answers.async_send(2 * n)
      answers.close()
  def in_a_thread(questions, answers):
      thread = threading.Thread(target=double, args=(questions, answers))
      thread.start()
      thread.join()
  def in_our_loop(questions, answers):
      erlang.run(double_later(questions, answers))
  def in_a_plain_loop(questions, answers):
      asyncio.run(double_later(questions, answers))
  async def receive_later(questions, answers):
      async def one():
          await answers.async_send(2 * await questions.async_receive())
      later = asyncio.ensure_future(one())
      await asyncio.sleep(0)
  async def cancelled_then_more(channel):
      task = asyncio.ensure_future(channel.async_receive())
      other = asyncio.ensure_future(channel.async_receive())
      await asyncio.sleep(0)
      task.cancel()
      channel.send(1)
      return [await other, task.cancelled()]
  """

  for %{name: mode, supported: true} <- Py.Mode.all() do
    describe "in mode #{mode}" do
      setup do
        context = start_context(mode: unquote(mode))
        :ok = Context.exec(context, @code)
        {:ok, channel} = Channel.new()
        %{context: context, channel: channel}
      end

      for receiver <- [:double, :in_a_thread, :in_our_loop, :in_a_plain_loop] do
        test "#{receiver} receives, answers and ends", %{context: context, channel: questions} do
          {:ok, answers} = Channel.new(max_size: 50)

          run = fn ->
            Py.call(:__main__, unquote(receiver), [questions, answers], context: context)
          end

          task = Task.async(run)
          waiting(questions)
          for n <- 1..3, do: assert({:ok, 2 * n} == ask(questions, answers, n))
          for n <- 1..100, do: :ok = Channel.send(questions, n)
          Channel.close(questions)
          assert Enum.to_list(answers) == for(n <- 1..100, do: 2 * n)
          assert Task.await(task) == {:ok, nil}
        end
      end

      test "a context is idle again after a coroutine that has waited", %{
        context: context,
        channel: questions
      } do
        {:ok, answers} = Channel.new(max_size: 50)

        # It waits for messages, and then for room.
        consumer = Task.async(fn -> call(context, :double_later, [questions, answers]) end)
        waiting(questions)
        assert ask(questions, answers, 1) == {:ok, 2}
        for n <- 1..10, do: :ok = Channel.send(questions, n)
        assert eventually(fn -> Channel.info(answers).senders == 1 end)
        Channel.close(questions)
        assert Enum.to_list(answers) == for(n <- 1..10, do: 2 * n)
        assert Task.await(consumer) == {:ok, nil}
        assert eventually(fn -> idle?(context) end)

        # What a coroutine has left behind is still heard.
        {:ok, questions} = Channel.new()
        {:ok, answers} = Channel.new()
        assert call(context, :receive_later, [questions, answers]) == {:ok, nil}
        waiting(questions)
        refute idle?(context)
        assert ask(questions, answers, 3) == {:ok, 6}
        assert eventually(fn -> idle?(context) end)
      end

      test "a receiver that waits is interrupted, and misses nothing", %{
        context: context,
        channel: channel
      } do
        timeout = {:error, %ContextError{reason: :timeout}}
        async = "import erlang\nerlang.run(channel.async_receive())"

        for code <- ["channel.receive()", "channel.receive(60)", "next(channel)", async] do
          assert Py.eval(code, %{channel: channel}, context: context, timeout: 20) == timeout
          assert eventually(fn -> Channel.info(channel).receivers == 0 end)
          Channel.send(channel, code)

          assert Py.eval("channel.receive()", %{channel: channel}, context: context) ==
                   {:ok, code}
        end
      end

      test "a sender that waits is interrupted, and has not sent", %{context: context} do
        {:ok, full} = Channel.new(max_size: 1)
        Channel.send(full, 1)
        opts = [context: context, timeout: 20]
        assert {:error, %ContextError{}} = Py.eval("full.send(2)", %{full: full}, opts)
        assert eventually(fn -> Channel.info(full).senders == 0 end)
        assert Channel.info(full).messages == 1
      end

      test "a context closes while code of its waits", %{context: context, channel: channel} do
        task =
          Task.async(fn -> Py.eval("channel.receive()", %{channel: channel}, context: context) end)

        waiting(channel)
        Context.stop(context)
        assert Task.await(task) == {:error, %ContextError{reason: :closed}}
        Channel.send(channel, 1)
        assert Channel.receive(channel) == {:ok, 1}
      end

      test "a context closes while a thread in it waits", %{context: context, channel: channel} do
        {:ok, full} = Channel.new(max_size: 1)
        Channel.send(full, 1)

        code = """
        for wait in (channel.receive, lambda: full.send(2), lambda: channel.receive(60)):
            threading.Thread(target=wait).start()
        """

        vars = %{channel: channel, full: full}
        assert Py.eval(code, vars, context: context) == {:ok, nil}
        assert eventually(fn -> Channel.info(channel).receivers == 2 end)
        assert eventually(fn -> Channel.info(full).senders == 1 end)
        abandoned = Py.info().abandoned_interpreters
        Context.stop(context)
        assert eventually(fn -> Channel.info(channel).receivers == 0 end)
        assert eventually(fn -> Channel.info(full).senders == 0 end)
        assert Channel.info(full).messages == 1
        assert Py.info().abandoned_interpreters == abandoned
      end

      test "contexts share a channel", %{context: context, channel: channel} do
        other = start_context(mode: unquote(mode))

        task =
          Task.async(fn -> Py.eval("channel.receive()", %{channel: channel}, context: other) end)

        waiting(channel)

        assert Py.eval("channel.send({'n': 1})", %{channel: channel}, context: context) ==
                 {:ok, nil}

        assert Task.await(task) == {:ok, %{"n" => 1}}
      end

      test "a cancelled task leaves its message to the next one", %{
        context: context,
        channel: channel
      } do
        for runner <- ["erlang.run", "asyncio.run"] do
          code = "#{runner}(cancelled_then_more(channel))"
          assert Py.eval(code, %{channel: channel}, context: context) == {:ok, [1, true]}
        end
      end

      test "the end is an exception, or the end of the loop", %{
        context: context,
        channel: channel
      } do
        Channel.close(channel)
        assert Py.eval("list(channel)", %{channel: channel}, context: context) == {:ok, []}

        assert {:error, %Error{type: type}} =
                 Py.eval("channel.receive()", %{channel: channel}, context: context)

        assert type == "erlang.ChannelClosed"
      end
    end
  end

  defp waiting(channel), do: assert(eventually(fn -> Channel.info(channel).receivers == 1 end))

  defp call(context, function, args), do: Context.call(context, :__main__, function, args)

  defp idle?(context), do: match?({:ok, %{running: false}}, Context.info(context))

  defp ask(questions, answers, question) do
    :ok = Channel.send(questions, question)
    Channel.receive(answers)
  end
end
