defmodule Py.ASGITest do
  use Py.Case, async: true

  alias Py.{ASGI, Context, ContextError, Error}

  @source """
  import asyncio, erlang, json, sys

  async def app(scope, receive, send):
      if scope['type'] == 'lifespan':
          await receive()
          await send({'type': 'lifespan.startup.complete'})
          await receive()
          erlang.send(owner, 'shut down')
          return
      path = scope['path']
      if path == '/broken':
          raise ValueError('broken')
      start = {'type': 'http.response.start', 'status': 200, 'headers': [(b'X-Path', path.encode())]}
      if path == '/parts':
          await send(start)
          try:
              for n in range(1000):
                  part = b'%d,' % n
                  await send({'type': 'http.response.body', 'body': part, 'more_body': True})
          except asyncio.CancelledError:
              erlang.send(owner, 'client has gone')
              raise
          return
      if path == '/wait':
          erlang.send(owner, 'waiting')
          try:
              await asyncio.sleep(1000)
          finally:
              erlang.send(owner, 'cancelled')
      request = await receive()
      seen = {
          'method': scope['method'],
          'query': scope['query_string'].decode(),
          'headers': {name.decode(): value.decode() for name, value in scope['headers']},
          'client': scope['client'][0],
          'server': list(scope['server']),
          'body': request['body'].decode(),
      }
      await send(start)
      await send({'type': 'http.response.body', 'body': json.dumps(seen).encode()})
  """

  setup do
    context = start_context()
    code = "import sys, types\nmodule = sys.modules['asgi_app'] = types.ModuleType('asgi_app')"
    :ok = Context.exec(context, code)
    vars = %{source: @source, owner: self()}
    code = "module.owner = owner\nexec(source, vars(module))"
    {:ok, nil} = Py.eval(code, vars, context: context)
    %{opts: [context: context]}
  end

  defp seen({200, _headers, body}, opts), do: Py.call!(:json, :loads, [body], opts)

  test "an application gets the request and gives a response", %{opts: opts} do
    request = %{
      method: "POST",
      request_path: "/caf%C3%A9",
      query_string: "a=1",
      req_headers: [{"X-One", "1"}],
      host: "example.org",
      port: 8080,
      remote_ip: {10, 0, 0, 1},
      body: ["as", "ked"]
    }

    assert {:ok, {200, headers, _body} = response} = ASGI.call("asgi_app:app", request, opts)
    assert headers == [{"x-path", "/café"}]

    assert seen(response, opts) == %{
             "method" => "POST",
             "query" => "a=1",
             "headers" => %{"x-one" => "1", "host" => "example.org"},
             "client" => "10.0.0.1",
             "server" => ["example.org", 8080],
             "body" => "asked"
           }

    assert ASGI.call!("asgi_app", %{}, [body: "other"] ++ opts) |> seen(opts) |> Map.get("body") ==
             "other"

    app = Py.eval!("module.app", %{}, opts ++ [return: :object])
    assert {:ok, {200, [{"x-path", "/"}], _body}} = ASGI.call(app, %{})
  end

  test "many requests are answered beside one another, for as long as they are wanted", tags do
    waiting =
      for _ <- 1..5,
          do: spawn(fn -> ASGI.call("asgi_app", %{request_path: "/wait"}, tags.opts) end)

    for _ <- 1..5, do: assert_receive("waiting", 20_000)
    assert {:ok, {200, _headers, _body}} = ASGI.call("asgi_app", %{}, tags.opts)
    Enum.each(waiting, &kill/1)
    for _ <- 1..5, do: assert_receive("cancelled", 20_000)
    request = %{request_path: "/wait"}

    assert ASGI.call("asgi_app", request, [timeout: 50] ++ tags.opts) ==
             {:error, %ContextError{reason: :timeout}}
  end

  test "a body may be a stream, which ends the application when it is left", %{opts: opts} do
    request = %{request_path: "/parts"}
    {200, _headers, body} = ASGI.call!("asgi_app", request, opts)
    {200, _headers, parts} = ASGI.call!("asgi_app", request, [stream: true] ++ opts)
    assert Enum.join(parts) == body
    {200, _headers, parts} = ASGI.call!("asgi_app", request, [stream: true] ++ opts)
    assert Enum.take(parts, 2) == ["0,", "1,"]
    assert_receive "client has gone", 20_000
  end

  test "what the application raises is told", %{opts: opts} do
    for stream <- [false, true] do
      request = %{request_path: "/broken"}
      assert {:error, error} = ASGI.call("asgi_app", request, [stream: stream] ++ opts)
      assert %Error{type: "ValueError", message: "broken"} = error
    end

    assert_raise Error, ~r/no_such_app/, fn -> ASGI.call!("no_such_app", %{}, opts) end
  end

  test "the application's life ends when it is told, and with the context", %{opts: opts} do
    assert ASGI.shutdown("asgi_app", opts) == :ok
    for _ <- 1..2, do: {:ok, _response} = ASGI.call("asgi_app", %{}, opts)
    refute_received "shut down"
    assert ASGI.shutdown("asgi_app", opts) == :ok
    assert_receive "shut down", 20_000
    assert {:ok, _response} = ASGI.call("asgi_app", %{}, opts)
    :ok = Context.stop(opts[:context])
    assert_receive "shut down", 20_000
  end
end
