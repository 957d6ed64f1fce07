defmodule Py.Native.Precompiled do
  @moduledoc false

  # The libraries that a release offers ready-made. The package `rustler_precompiled` fetches
  # them, so names, checksum files and archives are as that package wants them. There is an
  # archive per target triple and, as what it calls a variant, per Python; the loader, which
  # knows no Python, has one per target.
  #
  # The checksum files come with the Hex package alone. Without them nothing is fetched, which
  # is how a checkout is told from a package.

  alias Py.Runtime.Loader

  @version Mix.Project.config()[:version]
  @source_url Mix.Project.config()[:source_url]

  # What the crates are compiled for; it serves every OTP from 24 on.
  @nif_version "2.16"

  @targets ~w(
    x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu
    x86_64-unknown-linux-musl aarch64-unknown-linux-musl
    x86_64-apple-darwin aarch64-apple-darwin
  )
  @pythons ~w(3.9 3.10 3.11 3.12 3.13 3.14 3.13t)

  # The module each library is loaded into names its checksum file.
  @modules %{"py_nif" => Py.Native, "py_loader" => Loader}

  @doc "The target triples of a release."
  @spec targets :: [String.t()]
  def targets, do: @targets

  @doc "The versions of Python of a release."
  @spec pythons :: [String.t()]
  def pythons, do: @pythons

  @doc "The NIF version of a release."
  @spec nif_version :: String.t()
  def nif_version, do: @nif_version

  @doc "The tag of a version: that of \"3.13t\" is \"cp313t\"."
  @spec tag(String.t()) :: String.t()
  def tag(version), do: "cp" <> String.replace(version, ".", "")

  @doc "What a crate's library is called inside its archive, which adds `.tar.gz` to the name."
  @spec file_name(crate :: String.t(), target :: String.t(), tag :: String.t()) :: String.t()
  def file_name("py_nif", target, tag), do: base_name("py_nif", target) <> "--#{tag}.so"
  def file_name("py_loader", target, _tag), do: base_name("py_loader", target) <> ".so"

  defp base_name(crate, target), do: "lib#{crate}-v#{@version}-nif-#{@nif_version}-#{target}"

  @doc "The file with the checksums of a crate's archives: a map from name to `algorithm:digest`."
  @spec checksum_file(crate :: String.t()) :: Path.t()
  def checksum_file(crate), do: "checksum-#{Map.fetch!(@modules, crate)}.exs"

  @doc """
  The checksums of what is on offer for a tag, as one text; `nil` when that is nothing, or when
  building from source was asked for.
  """
  @spec fingerprint(tag :: String.t()) :: String.t() | nil
  def fingerprint(tag) do
    with true <- wanted?(),
         [_ | _] = nifs <- checksums("py_nif", "--#{tag}.so.tar.gz"),
         [_ | _] = loaders <- checksums("py_loader", ".so.tar.gz") do
      Enum.map_join(nifs ++ loaders, fn {name, checksum} -> "#{name} #{checksum}\n" end)
    else
      _nothing -> nil
    end
  end

  @doc "Fetches the libraries for a tag, or finds them in the cache; one path per crate."
  @spec fetch(tag :: String.t()) :: {:ok, Py.Native.Cargo.libraries()} | {:error, String.t()}
  def fetch(tag) do
    with {:ok, nif} <- through_package("py_nif", variants(tag)),
         {:ok, loader} <- through_package("py_loader", %{}) do
      {:ok, %{"py_nif" => nif, "py_loader" => loader}}
    end
  end

  # All that concerns the package's own functions. This one is what its `use` calls: it takes
  # the archive from its cache or from the release, compares the checksum and unpacks the
  # library into this application's priv/native.
  @compile {:no_warn_undefined, RustlerPrecompiled}
  defp through_package(crate, variants) do
    options = [
      otp_app: :erlang_python,
      crate: crate,
      version: @version,
      base_url: base_url(),
      targets: @targets,
      nif_versions: [@nif_version],
      variants: variants,
      force_build: false
    ]

    case RustlerPrecompiled.__using__(Map.fetch!(@modules, crate), options) do
      {:ok, %{load_from: {app, path}}} -> {:ok, Application.app_dir(app, path <> ".so")}
      {:force_build, _options} -> {:error, "a development version is built from source"}
      {:error, reason} -> {:error, to_string(reason)}
    end
  end

  # The package takes the first variant whose function says yes.
  defp variants(wanted) do
    variants =
      for version <- @pythons, tag = tag(version) do
        {String.to_atom(tag), fn -> tag == wanted end}
      end

    Map.new(@targets, &{&1, variants})
  end

  defp wanted? do
    not checkout?() and not build_forced?() and base_url() != nil and
      Code.ensure_loaded?(RustlerPrecompiled)
  end

  # Whoever prepares a release has the checksum files beside sources that may be edited next.
  defp checkout?, do: File.exists?(".git")

  # The second and third are the switches of the package itself.
  defp build_forced? do
    true?(System.get_env("ERLANG_PYTHON_BUILD")) or
      true?(System.get_env("RUSTLER_PRECOMPILED_FORCE_BUILD_ALL")) or
      Application.get_env(:rustler_precompiled, :force_build_all, false) or
      Application.get_env(:rustler_precompiled, :force_build, [])[:erlang_python] == true
  end

  defp true?(value), do: value in ["1", "true"]

  defp base_url do
    case System.get_env("ERLANG_PYTHON_PRECOMPILED_URL", "") do
      "" -> @source_url && "#{@source_url}/releases/download/v#{@version}"
      mirror -> mirror
    end
  end

  defp checksums(crate, ending) do
    with {:ok, text} <- File.read(checksum_file(crate)),
         {%{} = checksums, _binding} <- Code.eval_string(text) do
      checksums |> Enum.filter(fn {name, _} -> String.ends_with?(name, ending) end) |> Enum.sort()
    else
      _ -> []
    end
  end
end
