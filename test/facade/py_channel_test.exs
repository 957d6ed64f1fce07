defmodule Facade.PyChannelTest do
  use Py.Case, async: false

  test "py_channel does what Py.Channel does" do
    assert {:ok, channel} = :py_channel.new(%{max_size: 20})
    assert :py_channel.send(channel, :none) == :ok
    assert :py_channel.send(channel, "text") == :ok
    assert :py_channel.send(channel, "text") == :busy
    assert :py_channel.send(channel, "text", 5) == :busy
    assert %{size: 20, max_size: 20, closed: false} = :py_channel.info(channel)
    assert :py.eval("[c.receive(), c.receive()]", %{c: channel}) == {:ok, [:none, "text"]}
    assert :py_channel.receive(channel, 0) == {:error, :timeout}
    assert {:ok, subscription} = :py_channel.subscribe(channel, %{demand: 1})
    assert :py_channel.ask(channel, subscription, :infinity) == :ok
    assert :py.eval("c.send(None)", %{c: channel}) == {:ok, :none}
    assert_receive {:py_channel, ^subscription, {:data, :none}}
    assert :py_channel.unsubscribe(channel, subscription) == :ok
    assert :py_channel.unsubscribe(channel, subscription) == {:error, :not_found}
    assert {:ok, _subscription} = :py_channel.subscribe(channel)
    assert :py_channel.close(channel) == :ok
    assert :py_channel.send(channel, 1) == {:error, :closed}
    assert :py_channel.receive(channel) == {:error, :closed}
    assert {:ok, _channel} = :py_channel.new()
  end

  test "the guide's processor of a channel" do
    code = """
    from erlang.channel import Channel

    def processor(channel):
        # Blocking receive - suspends Python, releases scheduler
        msg = channel.receive()

        # Non-blocking alternative
        msg = channel.try_receive()  # Returns None if empty

        # Async alternative
        # msg = await channel.async_receive()
        return msg
    """

    {:ok, context} = :py_context.start_link(1, :auto)
    :ok = :py_context.exec(context, code)
    {:ok, channel} = :py_channel.new()
    task = Task.async(fn -> :py.call(context, :__main__, :processor, [channel]) end)
    :ok = :py_channel.send(channel, "first")
    assert Task.await(task) == {:ok, :none}
    :py_context.stop(context)
  end
end
