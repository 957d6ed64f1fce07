defmodule Py.WSGITest do
  use Py.Case, async: true

  alias Py.{Context, Error, WSGI}

  @source """
  def app(environ, start_response):
      if environ['PATH_INFO'] == '/broken':
          raise ValueError('broken')
      start_response('201 Created', [('X-Method', environ['REQUEST_METHOD'])])
      if environ['PATH_INFO'] == '/parts':
          return (b'%d,' % n for n in range(100))
      return [environ['QUERY_STRING'].encode(), b' ', environ['wsgi.input'].read()]
  """

  setup do
    context = start_context()
    :ok = Context.exec(context, @source)
    %{app: Py.eval!("app", %{}, context: context, return: :object)}
  end

  test "an application gets the request and gives a response", %{app: app} do
    request = %{method: "PUT", query_string: "a=1", body: "asked"}
    assert WSGI.call(app, request) == {:ok, {201, [{"x-method", "PUT"}], "a=1 asked"}}
    assert {201, _headers, " "} = WSGI.call!(app, %{})
  end

  test "a body may be a stream", %{app: app} do
    {201, [{"x-method", "GET"}], body} = WSGI.call!(app, %{request_path: "/parts"})
    {201, _headers, parts} = WSGI.call!(app, %{request_path: "/parts"}, stream: true)
    assert Enum.join(parts) == body
    {201, _headers, parts} = WSGI.call!(app, %{request_path: "/parts"}, stream: true)
    assert Enum.take(parts, 2) == ["0,", "1,"]
  end

  test "what the application raises is told", %{app: app} do
    for stream <- [false, true] do
      assert {:error, %Error{type: "ValueError"}} =
               WSGI.call(app, %{request_path: "/broken"}, stream: stream)
    end
  end
end
