defmodule Py.WSGI do
  @moduledoc """
  WSGI applications (Flask, Django, Bottle) behind a web server of the BEAM.

      {:ok, {200, headers, body}} = Py.WSGI.call("shop.web:app", %{request_path: "/prices"})

  It is `Py.ASGI` for applications that are plain functions: the same names of applications, the
  same requests, the same plug, the same `stream: true`. Such an application has its context for
  itself while it runs, so as many requests are answered at a time as the pool has contexts.
  """

  alias Py.{Options, Web}

  @doc """
  Calls an application and answers with `{status, headers, body}`.

  An exception of the application is a `Py.Error`. Headers have lower-case names.

  ## Options

  #{Options.docs(:web)}
  """
  @spec call(Web.app(), Web.request(), keyword) :: {:ok, Web.response()} | {:error, Exception.t()}
  def call(app, request, opts \\ []), do: Web.call("erlang._wsgi", app, request, opts)

  @doc "Like `call/3`, but answers with the response and raises the error."
  @spec call!(Web.app(), Web.request(), keyword) :: Web.response()
  def call!(app, request, opts \\ []), do: app |> call(request, opts) |> Web.bang!()
end
