defmodule Py.ASGI do
  @moduledoc """
  ASGI applications (Starlette, FastAPI, Django, Quart) behind a web server of the BEAM.

      {:ok, {200, headers, body}} = Py.ASGI.call("shop.web:app", %{request_path: "/prices"})

  An application is named by its module and the name in there, `"shop.web:app"`, or is a
  `Py.Object`. It runs on the event loop of a context, hundreds of requests beside one another.
  Its lifespan starts before its first request in a context and ends with the context, or with
  `shutdown/2`.

  A request is a map with the keys of a `Plug.Conn` that matter, all of them optional: `:method`,
  `:request_path`, `:query_string`, `:req_headers`, `:scheme`, `:host`, `:port`, `:remote_ip`; and
  `:body`. So a whole plug is:

      defmodule MyApp.Python do
        @behaviour Plug
        import Plug.Conn

        def init(app), do: app

        def call(conn, app) do
          {:ok, request_body, conn} = read_body(conn)
          {status, headers, body} = Py.ASGI.call!(app, conn, body: request_body)
          conn |> merge_resp_headers(headers) |> send_resp(status, body)
        end
      end

  With `stream: true` the answer comes as soon as the application has begun to respond, and the
  body is a stream of its parts, each of which is waited for when it is asked for:

      {status, headers, parts} = Py.ASGI.call!(app, conn, body: request_body, stream: true)
      conn = conn |> merge_resp_headers(headers) |> send_chunked(status)
      Enum.reduce(parts, conn, fn part, conn -> with {:ok, conn} <- chunk(conn, part), do: conn end)

  An application that runs for longer than `timeout:`, or for a process that has died, is
  cancelled. Websockets are not part of this: give them to `uvicorn` on a loop of its own, as the
  guide "asyncio" shows.
  """

  alias Py.{Options, Web}

  @doc """
  Calls an application and answers with `{status, headers, body}`.

  An exception of the application is a `Py.Error`. Headers have lower-case names.

  ## Options

  #{Options.docs(:web)}
  """
  @spec call(Web.app(), Web.request(), keyword) :: {:ok, Web.response()} | {:error, Exception.t()}
  def call(app, request, opts \\ []), do: Web.call("erlang._asgi", app, request, opts)

  @doc "Like `call/3`, but answers with the response and raises the error."
  @spec call!(Web.app(), Web.request(), keyword) :: Web.response()
  def call!(app, request, opts \\ []), do: app |> call(request, opts) |> Web.bang!()

  @doc """
  Ends the lifespan of an application in a context: the one of the options, or the one that a call
  would take. The next request starts it again.
  """
  @spec shutdown(Web.app(), keyword) :: :ok | {:error, Exception.t()}
  def shutdown(app, opts \\ []) do
    options = Options.parse!(:web, opts)

    with {:ok, nil} <- Py.call("erlang._asgi", "shutdown", [app], Web.place(app, options)),
         do: :ok
  end
end
