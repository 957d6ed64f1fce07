defmodule ErlangPython.MixProject do
  use Mix.Project

  @version "2.0.0"

  # The address of the public repository, once there is one. The documentation links to it, and
  # the Hex package fetches its ready-made native code from the releases there.
  @source_url nil

  def project do
    [
      app: :erlang_python,
      version: @version,
      elixir: "~> 1.14",
      elixirc_paths: elixirc_paths(Mix.env()),
      compilers: Mix.compilers() ++ [:py_native],
      start_permanent: Mix.env() == :prod,
      deps: deps(),
      aliases: aliases(),
      name: "erlang_python",
      description: "Call Python from Elixir and Erlang as if it were a local library",
      source_url: @source_url,
      package: package(),
      docs: docs(),
      dialyzer: [plt_add_apps: [:mix, :ex_unit]]
    ]
  end

  def application do
    [
      mod: {Py.Application, []},
      extra_applications: [:logger | applications(Mix.env())]
    ]
  end

  # The examples and tests ask web servers with OTP's own client.
  defp applications(:prod), do: []
  defp applications(_dev_or_test), do: [:inets, :ssl]

  defp elixirc_paths(:test), do: ["lib", "test/support"]
  defp elixirc_paths(_), do: ["lib"]

  # The doctor has to work above all where the project does not build. The tasks that prepare a
  # release, and a prompt on another node, need no native code for the Python in use, if there is
  # one at all.
  defp aliases do
    [
      setup: ["deps.get", "compile"],
      "py.doctor": ["compile --return-errors", "py.doctor"],
      "py.package": ["loadpaths", "compile.elixir", "py.package"],
      "py.repl": ["loadpaths", "compile.elixir", "py.repl"],
      "py.precompiled": ["loadpaths", "compile.elixir", "py.precompiled"]
    ]
  end

  # Mix without Hex accepts no Hex dependency at all, not even an optional one. The library
  # needs none of them, so that a checkout builds wherever there is Elixir and cargo.
  defp deps do
    if Code.ensure_loaded?(Hex), do: hex_deps() ++ rustler(), else: []
  end

  defp hex_deps do
    [
      {:telemetry, "~> 1.0"},
      {:ex_doc, "~> 0.34", only: :dev, runtime: false},
      {:credo, "~> 1.7", only: [:dev, :test], runtime: false},
      {:dialyxir, "~> 1.4", only: [:dev, :test], runtime: false}
    ]
  end

  # Rustler's Elixir side asks for a newer Elixir than this library does.
  defp rustler do
    if Version.match?(System.version(), "~> 1.15") do
      [
        {:rustler_precompiled, "~> 0.8"},
        {:rustler, "~> 0.36", optional: true}
      ]
    else
      []
    end
  end

  defp package do
    [
      licenses: ["Apache-2.0"],
      links: %{},
      files: [
        "lib",
        "src",
        "native/Cargo.{toml,lock}",
        "native/{clippy,rustfmt}.toml",
        "native/.cargo/config.toml",
        "native/py_*/Cargo.toml",
        "native/py_*/build.rs",
        "native/py_*/{src,tests}",
        "python/pyproject.toml",
        "python/erlang/**/*.{py,pyi,typed}",
        "python/*.py",
        "guides",
        "usage-rules.md",
        "checksum-*.exs",
        ".formatter.exs",
        "mix.exs",
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "LICENSE"
      ]
    ]
  end

  defp docs do
    [
      main: "readme",
      extras: Enum.flat_map(extras(), &Path.wildcard/1),
      groups_for_extras: [
        Notebooks: ~r"^guides/livebooks/",
        "Coming from elsewhere": ~r"^guides/from-",
        Guides: ~r"^guides/"
      ]
    ]
  end

  defp extras do
    ["README.md", "guides/**/*.{md,livemd}"] ++
      ~w(usage-rules.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md)
  end
end
