# Starlette and Flask behind a web server of the BEAM, asked over real HTTP.
#
#     pip install --target /tmp/web starlette flask
#     mix run examples/web.exs /tmp/web
#
# The server is a few lines of gen_tcp, which parses HTTP itself; in an application it would be
# Phoenix or Bandit, and what `answer/2` does would be a plug.

defmodule Web do
  @moduledoc false

  @apps %{
    "/starlette" => {Py.ASGI, "web_apps:starlette_app"},
    "/flask" => {Py.WSGI, "web_apps:flask_app"}
  }

  def run(packages) do
    context = start_python(packages)

    {:ok, listener} =
      :gen_tcp.listen(0, [
        :binary,
        packet: :http_bin,
        active: false,
        backlog: 1024,
        ip: {127, 0, 0, 1}
      ])

    {:ok, port} = :inet.port(listener)
    spawn_link(fn -> accept(listener, context) end)
    {:ok, _apps} = Application.ensure_all_started(:inets)

    for path <- ["/starlette/hello/Ada", "/flask/hello/Grace", "/starlette/count", "/nowhere"] do
      url = "http://127.0.0.1:#{port}#{path}"

      {:ok, {{_, status, _}, _headers, body}} =
        :httpc.request(:get, {to_charlist(url), []}, [], [])

      IO.write([String.pad_trailing(path, 24), "#{status}  ", body])
    end

    {time, answers} = :timer.tc(fn -> many(port, 500) end)

    IO.puts(
      "500 requests, 50 at a time: #{div(time, 1000)} ms, #{inspect(Enum.frequencies(answers))}"
    )
  end

  # One context for all of them here. Without naming one, requests go to all contexts of the pool.
  defp start_python(packages) do
    {:ok, context} = Py.Context.start_link(mode: :worker)
    folders = %{folders: [packages, Path.expand("python", __DIR__)]}
    # Before what this Python may have of the same packages.
    {:ok, nil} = Py.eval("import sys\nsys.path[:0] = folders", folders, context: context)
    context
  end

  defp many(port, count) do
    1..count
    |> Task.async_stream(fn n -> get(port, "/starlette/hello/#{n}") end, max_concurrency: 50)
    |> Enum.map(fn {:ok, status} -> status end)
  end

  defp get(port, path) do
    {:ok, socket} =
      :gen_tcp.connect({127, 0, 0, 1}, port, [:binary, packet: :http_bin, active: false])

    :ok = :gen_tcp.send(socket, "GET #{path} HTTP/1.1\r\nhost: localhost\r\n\r\n")
    {:ok, {:http_response, _version, status, _reason}} = :gen_tcp.recv(socket, 0, 10_000)
    :gen_tcp.close(socket)
    status
  end

  ## The server

  defp accept(listener, context) do
    {:ok, socket} = :gen_tcp.accept(listener)
    pid = spawn(fn -> receive do: (:go -> serve(socket, context)) end)
    :ok = :gen_tcp.controlling_process(socket, pid)
    send(pid, :go)
    accept(listener, context)
  end

  defp serve(socket, context) do
    {:ok, {:http_request, method, {:abs_path, target}, _version}} = :gen_tcp.recv(socket, 0)
    headers = headers(socket, [])
    [path | query] = String.split(target, "?", parts: 2)

    request = %{
      method: method,
      request_path: path,
      query_string: Enum.join(query),
      req_headers: headers,
      host: "localhost"
    }

    {status, headers, parts} = answer(request, context)
    head = for {name, value} <- headers, name != "content-length", do: [name, ": ", value, "\r\n"]
    :ok = :gen_tcp.send(socket, ["HTTP/1.1 #{status} \r\nconnection: close\r\n", head, "\r\n"])
    Enum.each(parts, &(:ok = :gen_tcp.send(socket, &1)))
    :gen_tcp.close(socket)
  end

  defp headers(socket, headers) do
    case :gen_tcp.recv(socket, 0) do
      {:ok, {:http_header, _bit, name, _reserved, value}} ->
        headers(socket, [{name |> to_string() |> String.downcase(), value} | headers])

      {:ok, :http_eoh} ->
        Enum.reverse(headers)
    end
  end

  # The part that a plug would have.
  defp answer(%{request_path: path} = request, context) do
    case Enum.find(@apps, fn {prefix, _app} -> String.starts_with?(path, prefix <> "/") end) do
      nil ->
        {404, [], ["nothing here\n"]}

      {prefix, {adapter, app}} ->
        request = %{request | request_path: String.replace_prefix(path, prefix, "")}
        adapter.call!(app, request, context: context, stream: true)
    end
  end
end

case System.argv() do
  [packages] ->
    Web.run(packages)

  _none ->
    IO.puts("usage: mix run examples/web.exs FOLDER, where starlette and flask are installed")
end
