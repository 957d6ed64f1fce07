defmodule Py.LoopPackagesTest do
  # Real packages on our loop, in the mode where their extensions load.
  use Py.Case, async: false

  alias Py.Case.Packages
  alias Py.Context

  @moduletag timeout: 300_000
  @names ~w(aiohttp httpx anyio uvicorn starlette trustme)
  @secret "the secret that nobody may read"

  # Asked for before there are tests, so that those which go without are seen to be skipped.
  {_python, _folder, names} = Packages.fetch(@names)

  skip = fn needed ->
    case needed -- names do
      [] -> nil
      missing -> "cannot be installed: #{Enum.join(missing, ", ")}"
    end
  end

  # A certificate is what a real authority would give, but for the authority.
  @certify """
  import sys, trustme
  authority = trustme.CA()
  certificate = authority.issue_cert("localhost")
  authority.cert_pem.write_to_path(sys.argv[1])
  certificate.private_key_pem.write_to_path(sys.argv[2])
  for pem in certificate.cert_chain_pems:
      pem.write_to_path(sys.argv[3], append=True)
  """

  # A Python may bring an older `typing_extensions`, which another test may have imported.
  @found_first """
  import site, sys
  sys.modules.pop("typing_extensions", None)
  for folder in folders:
      sys.path.insert(0, folder)
      site.addsitedir(folder)
  import packages
  """

  setup_all do
    {python, packages, names} = Packages.fetch(@names)
    folder = Path.join(System.tmp_dir!(), "py-tls-#{System.unique_integer([:positive])}")
    File.mkdir_p!(folder)
    on_exit(fn -> File.rm_rf!(folder) end)
    files = for name <- ~w(authority key certificate), do: Path.join(folder, name <> ".pem")

    if "trustme" in names do
      {"", 0} = System.cmd(python, ["-c", @certify | files], stderr_to_stdout: true)
    end

    files = Map.new(Enum.zip(~w(authority key certificate), files))
    %{packages: packages, files: files}
  end

  setup %{packages: packages} do
    context = start_context(mode: :worker)
    folders = %{folders: [packages, Path.expand("test/asyncio")]}
    {:ok, nil} = Py.eval(@found_first, folders, context: context)
    %{context: context}
  end

  defp talks!(%{context: context, files: files}, function) do
    opts = [context: context, timeout: 60_000]
    assert Py.call("packages", function, [files], opts) == {:ok, @secret}
  end

  for {function, needed} <- [
        streams: ~w(trustme),
        aiohttp: ~w(trustme aiohttp),
        httpx: ~w(trustme httpx uvicorn),
        anyio: ~w(anyio)
      ] do
    if reason = skip.(needed), do: @tag(skip: reason)

    test "#{function} works, and what TLS protects is not seen on the wire", tags do
      talks!(tags, unquote(function))
    end
  end

  requires_python({3, 11})
  if reason = skip.(~w(trustme)), do: @tag(skip: reason)

  test "a connection becomes a TLS one on its way", tags do
    talks!(tags, :start_tls)
  end

  if reason = skip.(~w(uvicorn starlette)), do: @tag(skip: reason)

  test "uvicorn serves Starlette to the BEAM while the context serves other calls", tags do
    {:ok, _apps} = Application.ensure_all_started(:inets)
    own = self()
    :ok = Py.register_function(:loop_greeting, fn [name] -> "good day, #{name}" end)
    on_exit(fn -> Py.unregister_function(:loop_greeting) end)
    opts = [context: tags.context]
    report = fn port -> send(own, {:port, port}) end
    ref = Py.EventLoop.create_task("packages", "serve_starlette", [report], opts)
    assert_receive {:port, port}, 60_000
    url = "http://127.0.0.1:#{port}"

    answers =
      1..20
      |> Task.async_stream(fn n -> get("#{url}/greet/#{n}") end, max_concurrency: 20)
      |> Enum.map(fn {:ok, answer} -> answer end)

    assert answers == for(n <- 1..20, do: {200, ~s({"hello":"#{n}"})})
    assert get("#{url}/ask?name=Ada") == {200, "good day, Ada"}
    assert Context.eval(tags.context, "1 + 1") == {:ok, 2}
    assert Py.call("packages", "stop", [], opts) == {:ok, nil}
    assert Py.EventLoop.await(ref) == {:ok, nil}
  end

  defp get(url) do
    {:ok, {{_version, status, _reason}, _headers, body}} =
      :httpc.request(:get, {String.to_charlist(url), []}, [], body_format: :binary)

    {status, body}
  end
end
