defmodule Py.Case.Far do
  @moduledoc "Work with processes of another node, for a BEAM that may become a node for it."

  alias Py.Stream.Window

  @doc """
  Streams so many items to a process over there, which does not read for a while and has other
  messages before and after; how many have waited for it then, and what it has read.
  """
  def stream(window, count) do
    with_node(fn node ->
      receiver = Node.spawn(node, __MODULE__, :read, [self(), 2 * window, count])
      receive do: (^receiver -> :ready)
      context = Py.context(1)
      options = [context: context, owner: receiver, window: window]
      ref = Py.stream_start(:itertools, :count, [], options)
      true = Py.Case.eventually(fn -> waiting(node, receiver, ref) >= window end)
      # A stream that did not wait would have its next items from between these.
      for _ <- 1..50, do: {:ok, 1} = Py.eval("1", %{}, context: context)
      waiting = waiting(node, receiver, ref)
      send(receiver, {:read, ref})
      receive do: ({^receiver, items} -> {waiting, items})
    end)
  end

  defp waiting(node, receiver, ref),
    do: node |> :erpc.call(Window, :count, [receiver, ref]) |> elem(1)

  @doc false
  def read(owner, others, count) do
    for n <- 1..others, do: send(self(), {:other, n})
    send(owner, self())
    receive do: ({:read, ref} -> send(owner, {self(), items(ref, count)}))
  end

  defp items(ref, count),
    do: for(_ <- 1..count, do: receive(do: ({:py_stream, ^ref, {:data, item}} -> item)))

  @doc "What the function makes of a node that is there for as long as it runs."
  def with_node(fun) do
    cookie = ~c"far_#{System.pid()}"
    options = %{host: ~c"127.0.0.1", longnames: true, connection: :standard_io}
    arguments = [~c"-setcookie", cookie, ~c"-pa" | :code.get_path()]
    name = :"#{cookie}_there"
    {:ok, peer, node} = :peer.start(Map.merge(options, %{name: name, args: arguments}))

    # The other node has started the daemon that this one needs.
    {:ok, _pid} = Node.start(:"#{cookie}_here@127.0.0.1")
    Node.set_cookie(List.to_atom(cookie))
    true = Node.connect(node)
    result = fun.(node)
    :peer.stop(peer)
    result
  end
end
