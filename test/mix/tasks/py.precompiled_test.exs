defmodule Mix.Tasks.Py.PrecompiledTest do
  # The files of the package are relative to the project, and Mix's shell is everyone's.
  use ExUnit.Case, async: false

  alias Mix.Tasks.Py.Precompiled
  alias Py.{FileServer, Runtime.Locator}

  @moduletag :tmp_dir
  @moduletag timeout: 600_000

  @crates ["py_nif", "py_loader"]
  @script "IO.inspect(Py.call(:math, :sqrt, [16]))"

  setup_all do
    {:ok, python} = Locator.locate()
    %{tag: python.tag, python: python}
  end

  describe "an archive" do
    test "has nothing but the library in it, under the name the package loads", context do
      archive = Precompiled.pack("LICENSE", "liba-v1--cp312.so", context.tmp_dir)

      assert Path.basename(archive) == "liba-v1--cp312.so.tar.gz"

      assert {:ok, [{name, bytes}]} = :erl_tar.extract(archive, [:compressed, :memory])
      assert to_string(name) == "liba-v1--cp312.so"
      assert bytes == File.read!("LICENSE")
      assert File.ls!(context.tmp_dir) == [Path.basename(archive)]
    end

    test "of the same library has the same bytes, whoever packs it and when", context do
      other = Path.join(context.tmp_dir, "other")
      File.mkdir_p!(other)
      copy = Path.join(other, "a copy of another time")
      File.write!(copy, File.read!("LICENSE"))
      File.touch!(copy, 1_000_000_000)

      [first, second] =
        for {library, output} <- [{"LICENSE", context.tmp_dir}, {copy, other}],
            do: File.read!(Precompiled.pack(library, "liba.so", output))

      assert first == second
    end
  end

  test "checksums are a map from the archives of this version to their digests", context do
    names = offer(context.tag, context.tmp_dir)
    File.write!(Path.join(context.tmp_dir, "libpy_nif-v0.1.0-nif-2.16-other.so.tar.gz"), "old")
    :ok = Precompiled.write_checksums("py_nif", context.tmp_dir)

    checksums =
      for crate <- @crates, into: %{} do
        file = Py.Native.Precompiled.checksum_file(crate)
        {checksums, _} = Code.eval_file(Path.join(context.tmp_dir, file))
        {file, checksums}
      end

    assert %{
             "checksum-Elixir.Py.Native.exs" => nif,
             "checksum-Elixir.Py.Runtime.Loader.exs" => loader
           } = checksums

    assert Map.keys(nif) ++ Map.keys(loader) == names

    for {name, "sha256:" <> digest} <- Enum.concat(nif, loader) do
      bytes = File.read!(Path.join(context.tmp_dir, name))
      assert digest == Base.encode16(:crypto.hash(:sha256, bytes), case: :lower)
    end
  end

  test "a release is for every supported version of Python, and its workflow builds just that" do
    {{3, oldest}, {3, newest}} = Locator.supported()
    versions = Enum.map(oldest..newest, &"3.#{&1}")
    assert versions -- Py.Native.Precompiled.pythons() == []

    workflow = File.read!(".github/workflows/release.yml")
    assert listed(workflow, "python") == Py.Native.Precompiled.pythons()
    assert listed(workflow, "nif") == [Py.Native.Precompiled.nif_version()]

    targets = for [_, target] <- Regex.scan(~r/- target: (\S+)/, workflow), do: target
    assert Enum.sort(targets) == Enum.sort(Py.Native.Precompiled.targets())

    # The loader of a target is one more archive.
    archives = length(targets) * (length(Py.Native.Precompiled.pythons()) + 1)
    assert workflow =~ "-eq #{archives}\n"
  end

  test "the crates are compiled for the NIF version of the release" do
    feature = "nif_version_" <> String.replace(Py.Native.Precompiled.nif_version(), ".", "_")
    assert File.read!("native/Cargo.toml") =~ ~s("#{feature}")
  end

  describe "the package, in an empty directory," do
    setup context do
      served = Path.join(context.tmp_dir, "served")
      names = offer(context.tag, served)
      package = Py.Package.unpack(context.tmp_dir)

      for crate <- @crates, file = Py.Native.Precompiled.checksum_file(crate) do
        File.cp!(Path.join(served, file), Path.join(package, file))
      end

      Py.Package.depend_on_stand_in(package)
      env = [{"ERLANG_PYTHON_PRECOMPILED_URL", FileServer.start_link(served)}]

      %{package: package, served: served, names: names, env: env}
    end

    test "fetches the library for the Python in use, once, and works without cargo", context do
      {output, 0} = mix(context, ["run", "-e", @script])

      assert output =~ "Fetching the native code for Python #{context.python.version_string}"
      assert output =~ "{:ok, 4.0}"
      for name <- context.names, do: assert_received({:requested, ^name})

      native = Path.join(context.package, "priv/native")
      assert Enum.sort(File.ls!(native)) == ["py_loader.so", "py_nif-#{context.tag}.so"]
      assert Path.wildcard(Path.join(context.package, "native/target/**/*.so")) == []

      assert {again, 0} = mix(context, ["run", "-e", @script])
      assert again =~ "{:ok, 4.0}"
      refute again =~ "native code"

      # The cache answers when the library has to be put there anew.
      assert {cleaned, 0} = mix(context, ["do", "clean,", "run", "-e", @script])
      assert cleaned =~ "{:ok, 4.0}"
      refute_received {:requested, _}
    end

    test "works the same as a dependency of another project", context do
      consumer = Path.join(context.tmp_dir, "consumer")
      File.mkdir_p!(consumer)

      File.write!(Path.join(consumer, "mix.exs"), """
      defmodule Consumer.MixProject do
        use Mix.Project
        def project, do: [app: :consumer, version: "0.1.0", deps: [{:erlang_python, path: "../erlang_python"}]]
      end
      """)

      {output, 0} = mix(%{context | package: consumer}, ["run", "-e", @script])
      assert output =~ "{:ok, 4.0}"
      for name <- context.names, do: assert_received({:requested, ^name})
    end

    @tag :long
    test "is built where cargo is and the release has nothing", context do
      for name <- context.names, do: File.rm!(Path.join(context.served, name))
      options = [folder: context.tmp_dir, env: context.env, cargo: true]
      assert {output, 0} = Py.Package.mix(context.package, ["run", "-e", @script], options)

      assert output =~ "The ready-made native code cannot be used: couldn't fetch"
      assert output =~ "Building the native code for Python"
      assert output =~ "{:ok, 4.0}"
    end

    test "does not use what is not there, not as published, or not wanted", context do
      [nif | _] = context.names
      archive = Path.join(context.served, nif)
      published = File.read!(archive)

      # Whatever the reason, cargo is next, and there is none.
      File.rm!(archive)
      assert {missing, 1} = mix(context, ["compile"])
      assert missing =~ "The ready-made native code cannot be used: couldn't fetch"
      assert missing =~ "cargo is needed"

      Precompiled.pack("LICENSE", Path.rootname(nif, ".tar.gz"), context.served)
      assert {tampered, 1} = mix(context, ["compile"])
      assert tampered =~ "The ready-made native code cannot be used: the integrity check failed"
      assert_received {:requested, ^nif}
      assert_received {:requested, ^nif}
      refute File.exists?(Path.join(context.package, "priv/native/py_nif-#{context.tag}.so"))

      File.rm_rf!(Path.join(context.tmp_dir, "cache"))
      File.write!(archive, published)

      for forced <- [
            {"ERLANG_PYTHON_BUILD", "1"},
            {"RUSTLER_PRECOMPILED_FORCE_BUILD_ALL", "true"}
          ] do
        assert {built, 1} = mix(%{context | env: [forced | context.env]}, ["compile"])
        assert built =~ "cargo is needed"
      end

      config = "import Config\nconfig :rustler_precompiled, force_build: [erlang_python: true]\n"
      File.mkdir_p!(Path.join(context.package, "config"))
      File.write!(Path.join(context.package, "config/config.exs"), config)
      assert {configured, 1} = mix(context, ["compile"])
      assert configured =~ "cargo is needed"
      File.rm_rf!(Path.join(context.package, "config"))

      # In a checkout the sources count, which may be edited next.
      File.mkdir_p!(Path.join(context.package, ".git"))
      assert {checkout, 1} = mix(context, ["compile"])
      assert checkout =~ "cargo is needed"
      refute_received {:requested, _}
    end
  end

  @tag :long
  test "what is built for a release is what the package fetches", context do
    served = Path.join(context.tmp_dir, "served")
    arguments = ["py.precompiled", "--python", context.python.executable, "--output", served]
    assert {_output, 0} = Py.Package.mix(".", arguments, folder: context.tmp_dir, cargo: true)

    package = Py.Package.unpack(context.tmp_dir)
    for file <- Path.wildcard(served <> "/checksum-*.exs"), do: copy_into(file, package)

    Py.Package.depend_on_stand_in(package)
    env = [{"ERLANG_PYTHON_PRECOMPILED_URL", FileServer.start_link(served)}]
    context = Map.merge(context, %{package: package, env: env})
    assert {output, 0} = mix(context, ["run", "-e", @script])
    assert output =~ "{:ok, 4.0}"

    for library <- Path.wildcard(package <> "/priv/native/*.so") do
      refute File.read!(library) =~ File.cwd!()
      refute File.read!(library) =~ System.user_home!()
    end
  end

  # As `mix py.precompiled` would, but with the libraries that this very test runs with.
  defp offer(tag, directory) do
    File.mkdir_p!(directory)
    native = Application.app_dir(:erlang_python, "priv/native")
    target = target()

    names =
      for {crate, library} <- [{"py_nif", "py_nif-#{tag}.so"}, {"py_loader", "py_loader.so"}] do
        name = Py.Native.Precompiled.file_name(crate, target, tag)
        Path.basename(Precompiled.pack(Path.join(native, library), name, directory))
      end

    for crate <- @crates, do: Precompiled.write_checksums(crate, directory)
    names
  end

  defp target do
    {facts, 0} = System.cmd("rustc", ["-vV"])
    [_, target] = Regex.run(~r/^host: (.*)$/m, facts)
    target
  end

  defp mix(context, arguments) do
    Py.Package.mix(context.package, arguments, folder: context.tmp_dir, env: context.env)
  end

  defp copy_into(file, directory), do: File.cp!(file, Path.join(directory, Path.basename(file)))

  # The values of a list in the workflow that is written on one line.
  defp listed(workflow, key) do
    [_, values] = Regex.run(~r/^ +#{key}: \[(.*)\]$/m, workflow)
    for [_, value] <- Regex.scan(~r/"([^"]+)"/, values), do: value
  end
end
