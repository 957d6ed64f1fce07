defmodule Mix.Tasks.Py.PackageTest do
  use ExUnit.Case, async: false

  import ExUnit.CaptureIO

  alias Mix.Tasks.Py.Package

  @moduletag :tmp_dir

  test "has every source there is, and nothing that was built" do
    {files, unmatched} = Package.files()
    assert unmatched -- ["checksum-*.exs"] == []

    sources =
      for pattern <- [
            "lib/**/*.ex",
            "src/*.erl",
            "native/Cargo.{toml,lock}",
            "native/.cargo/*.toml",
            "native/py_*/{Cargo.toml,build.rs}",
            "native/py_*/src/**/*.rs",
            "python/erlang/**/*.py",
            "guides/**/*.{md,livemd}"
          ],
          file <- Path.wildcard(pattern, match_dot: true),
          do: file

    assert sources -- files == []

    built =
      ~r/\.(beam|so|dylib|pyc)$|__pycache__|^(_build|deps|priv|test|python\/tests)\/|\/target\//

    assert Enum.filter(files, &(&1 =~ built)) == []
  end

  test "has one version in every language" do
    version = Mix.Project.config()[:version]

    for file <- ["native/Cargo.toml", "python/pyproject.toml"] do
      assert [_, ^version] = Regex.run(~r/^version = "(.*)"$/m, File.read!(file))
    end

    lock = File.read!("native/Cargo.lock")
    crates = Regex.scan(~r/^name = "(py_\w+)"\nversion = "(.*)"$/m, lock)

    assert Enum.map(crates, &tl/1) ==
             for(crate <- ~w(py_host py_loader py_nif), do: [crate, version])
  end

  test "is copied into an empty directory only", %{tmp_dir: folder} do
    directory = Path.join(folder, "package")
    printed = capture_io(fn -> capture_io(:stderr, fn -> Package.run([directory]) end) end)

    {files, _unmatched} = Package.files()
    assert printed =~ "#{length(files)} files in #{directory}"
    for file <- files, do: assert(File.read!(Path.join(directory, file)) == File.read!(file))

    assert_raise Mix.Error, ~r/is not empty/, fn -> Package.run([directory]) end
    assert_raise Mix.Error, ~r/Usage/, fn -> Package.run([]) end
  end

  @tag :long
  @tag timeout: 1_200_000
  test "compiles and runs in an empty directory, with cargo", %{tmp_dir: folder} do
    package = Py.Package.unpack(folder)
    script = "IO.inspect(Py.call(:math, :sqrt, [16]))"

    assert {output, 0} =
             Py.Package.mix(package, ["run", "-e", script], folder: folder, cargo: true)

    assert output =~ "Building the native code for Python"
    assert output =~ "{:ok, 4.0}"
  end
end
