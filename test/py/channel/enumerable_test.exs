defmodule Py.Channel.EnumerableTest do
  use Py.Case, async: true

  alias Py.Channel

  test "a channel is enumerated until it is closed, and keeps what is not taken" do
    {:ok, channel} = Channel.new()
    for n <- 1..5, do: Channel.send(channel, n)
    assert Enum.take(channel, 2) == [1, 2]
    assert Channel.info(channel).messages == 3
    Channel.close(channel)
    assert Enum.zip(channel, [:a, :b]) == [{3, :a}, {4, :b}]
    assert Enum.count(channel) <= 1
    assert Enum.to_list(channel) == []
  end
end
