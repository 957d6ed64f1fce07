defmodule Py.FileServer do
  @moduledoc """
  Serves the files of a directory over HTTP on the loopback interface, to the next process that
  asks. Every request is also a message `{:requested, file_name}` to the process that started it.
  """

  @doc "Starts it; answers with its address. It ends with the calling process."
  @spec start_link(Path.t()) :: String.t()
  def start_link(directory) do
    options = [:binary, active: false, packet: :http_bin, ip: {127, 0, 0, 1}, reuseaddr: true]
    {:ok, listener} = :gen_tcp.listen(0, options)
    {:ok, port} = :inet.port(listener)
    owner = self()

    server = spawn_link(fn -> serve(listener, directory, owner) end)
    :ok = :gen_tcp.controlling_process(listener, server)
    "http://127.0.0.1:#{port}"
  end

  defp serve(listener, directory, owner) do
    {:ok, socket} = :gen_tcp.accept(listener)
    {:ok, {:http_request, :GET, {:abs_path, path}, _version}} = :gen_tcp.recv(socket, 0)
    skip_headers(socket)

    name = Path.basename(path)
    send(owner, {:requested, name})
    :ok = :gen_tcp.send(socket, answer(File.read(Path.join(directory, name))))
    :gen_tcp.close(socket)

    serve(listener, directory, owner)
  end

  defp skip_headers(socket) do
    with {:ok, {:http_header, _, _, _, _}} <- :gen_tcp.recv(socket, 0), do: skip_headers(socket)
  end

  defp answer({:ok, bytes}), do: ["HTTP/1.0 200 OK\r\n\r\n", bytes]
  defp answer({:error, _}), do: "HTTP/1.0 404 Not Found\r\n\r\n"
end
