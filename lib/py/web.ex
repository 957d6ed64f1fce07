defmodule Py.Web do
  @moduledoc false

  # What `Py.ASGI` and `Py.WSGI` have in common: a request as Python gets it, and a response.

  alias Py.{ContextError, Object, Options, Request, Router}

  @type app :: binary | Object.t()
  @type request :: map
  @type response ::
          {status :: pos_integer, headers :: [{binary, binary}], body :: binary | Enumerable.t()}

  @doc "Calls an application by way of one of the package's modules."
  @spec call(binary, app, request, keyword) :: {:ok, response} | {:error, Exception.t()}
  def call(module, app, request, opts) do
    options = Options.parse!(:web, opts)
    {function, finish} = if options.stream, do: {"begin", &stream/2}, else: {"call", &whole/2}
    args = [app, encode(request, options.body)]

    case Py.call(module, function, args, place(app, options)) do
      {:ok, response} -> {:ok, finish.(response, options)}
      {:error, _exception} = error -> error
    end
  end

  @doc "Where an application runs: as options of `Py.call/4`."
  @spec place(app, map) :: keyword
  def place(app, options),
    do: [context: options.context, pool: pool(app, options), timeout: options.timeout]

  # A pool that is registered for the application's module is meant for this, too.
  defp pool(app, %{context: nil, pool: nil}) when is_binary(app) do
    [module | name] = String.split(app, ":", parts: 2)

    case Router.lookup_pool(module, Enum.at(name, 0, "app")) do
      :default -> nil
      pool -> pool
    end
  end

  defp pool(_app, %{pool: pool}), do: pool

  # The keys of a `Plug.Conn`, which is a map, too.
  defp encode(request, body) do
    %{
      "method" => request |> Map.get(:method, "GET") |> to_string(),
      "scheme" => request |> Map.get(:scheme, :http) |> to_string(),
      "path" => Map.get(request, :request_path, "/"),
      "query_string" => Map.get(request, :query_string, ""),
      "headers" => for({name, value} <- headers(request), do: {Py.bytes(name), Py.bytes(value)}),
      "client" => {address(Map.get(request, :remote_ip)), 0},
      "server" => {Map.get(request, :host, "localhost"), Map.get(request, :port, 80)},
      "body" => Py.bytes(IO.iodata_to_binary(body || Map.get(request, :body, "")))
    }
  end

  # WSGI and HTTP/1.1 have the host among the headers, a `Plug.Conn` beside them.
  defp headers(request) do
    headers = Map.get(request, :req_headers, [])

    if List.keymember?(headers, "host", 0) or not Map.has_key?(request, :host),
      do: headers,
      else: [{"host", request.host} | headers]
  end

  defp address(ip) when is_tuple(ip), do: ip |> :inet.ntoa() |> to_string()
  defp address(_unknown), do: "127.0.0.1"

  defp whole({status, headers, body}, _options), do: {status, pairs(headers), body}

  defp stream({status, headers, %Object{} = body}, options),
    do: {status, pairs(headers), parts(body, options)}

  defp pairs(headers), do: for({name, value} <- headers, do: {String.downcase(name), value})

  defp parts(%Object{type: "erlang._asgi.Body"} = body, options) do
    timeout = [timeout: options.timeout]

    Stream.resource(
      fn -> body end,
      fn body ->
        case body |> Object.call_method(:next, [], timeout) |> Request.bang!() do
          nil -> {:halt, body}
          part -> {[part], body}
        end
      end,
      # The context may be gone, and the response with it.
      fn body -> Object.call_method(body, :close, [], timeout) end
    )
  end

  defp parts(iterator, options),
    do: Py.Stream.over(iterator, %{timeout: options.timeout, batch: 1})

  @doc "The result, or the exception raised."
  @spec bang!({:ok, value} | {:error, Exception.t() | ContextError.t()}) :: value when value: term
  def bang!(result), do: Request.bang!(result)
end
