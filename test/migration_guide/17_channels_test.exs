defmodule MigrationGuide.ChannelsTest do
  use Py.Case.Guide

  @processor """
  from erlang.channel import Channel

  def processor(channel):
      # Blocking receive - suspends Python, releases scheduler
      msg = channel.receive()

      # Non-blocking alternative
      again = channel.try_receive()  # Returns None if empty
      return [msg, again]

  def collector(channel):
      import erlang

      async def collect():
          # Async alternative
          msg = await channel.async_receive()
          return msg

      return erlang.run(collect())
  """

  test "a channel is received from, waiting and not waiting" do
    context = start_context()
    :ok = :py.exec(context, @processor)

    {_, %{Channel: channel}} = erlang("{ok, Channel} = py_channel:new(), Channel.")
    receiving = Task.async(fn -> :py.call(context, :__main__, :processor, [channel]) end)
    erlang(~S|ok = py_channel:send(Channel, #{<<"one">> => 1}).|, Channel: channel)
    assert Task.await(receiving, 20_000) == {:ok, [%{"one" => 1}, :none]}
  end

  test "a channel is awaited" do
    context = start_context()
    :ok = :py.exec(context, @processor)
    {:ok, channel} = :py_channel.new()
    receiving = Task.async(fn -> :py.call(context, :__main__, :collector, [channel]) end)
    :ok = :py_channel.send(channel, "awaited")
    assert Task.await(receiving, 20_000) == {:ok, "awaited"}
    assert :py_channel.close(channel) == :ok
  end
end
