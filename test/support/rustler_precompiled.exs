defmodule RustlerPrecompiled do
  @moduledoc """
  Stands in for the package of that name where there is no Hex to get it from.

  It keeps to what the package documents: names, variants, cache, checksum file and the place
  where a library ends up. `Py.Package` makes a dependency of it.
  """

  def __using__(module, options) do
    name = file_name(options)

    archive =
      Path.join(System.fetch_env!("RUSTLER_PRECOMPILED_GLOBAL_CACHE_PATH"), name <> ".tar.gz")

    directory = Application.app_dir(options[:otp_app], "priv/native")

    with :ok <- fetch(archive, options[:base_url]),
         :ok <- check(archive, module),
         :ok <- :erl_tar.extract(archive, [:compressed, cwd: directory]) do
      path = Path.join("priv/native", Path.rootname(name, ".so"))
      {:ok, %{load?: true, load_from: {options[:otp_app], path}, load_data: 0}}
    end
  end

  defp file_name(options) do
    target = target()
    true = target in options[:targets]
    [nif_version] = options[:nif_versions]
    variant = Enum.find(options[:variants][target] || [], fn {_name, chosen?} -> chosen?.() end)
    suffix = with {name, _} <- variant, do: "--#{name}"
    "lib#{options[:crate]}-v#{options[:version]}-nif-#{nif_version}-#{target}#{suffix}.so"
  end

  defp target do
    case to_string(:erlang.system_info(:system_architecture)) |> String.split("-") do
      [arch, _vendor, "linux", abi] -> "#{arch}-unknown-linux-#{abi}"
      [arch, "apple", _darwin] -> String.replace(arch, "arm", "aarch64") <> "-apple-darwin"
    end
  end

  defp fetch(archive, base_url) do
    if File.exists?(archive) do
      :ok
    else
      with {:ok, bytes} <- get(URI.parse("#{base_url}/#{Path.basename(archive)}")) do
        File.mkdir_p!(Path.dirname(archive))
        File.write(archive, bytes)
      end
    end
  end

  # As little of HTTP as will do.
  defp get(uri) do
    {:ok, socket} = :gen_tcp.connect(to_charlist(uri.host), uri.port, [:binary, active: false])

    :ok = :gen_tcp.send(socket, "GET #{uri.path} HTTP/1.0\r\nHost: #{uri.host}\r\n\r\n")

    case socket |> receive_all("") |> String.split("\r\n\r\n", parts: 2) do
      ["HTTP/1.0 200" <> _, body] -> {:ok, body}
      [head | _] -> {:error, "couldn't fetch NIF from #{uri}: #{head}"}
    end
  end

  defp receive_all(socket, received) do
    case :gen_tcp.recv(socket, 0) do
      {:ok, bytes} -> receive_all(socket, received <> bytes)
      {:error, :closed} -> received
    end
  end

  # In the current directory, which is the package's while it is compiled.
  defp check(archive, module) do
    {checksums, _} = Code.eval_file("checksum-#{module}.exs")

    digest = :crypto.hash(:sha256, File.read!(archive)) |> Base.encode16(case: :lower)

    case checksums[Path.basename(archive)] do
      "sha256:" <> ^digest -> :ok
      nil -> {:error, "the precompiled NIF file does not exist in the checksum file"}
      _other -> {:error, "the integrity check failed because the checksums do not match"}
    end
  end
end
