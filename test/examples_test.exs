defmodule ExamplesTest do
  # The two tours are what `make demo` runs. This one goes with packages from PyPI.
  use Py.Case, async: true

  alias Py.Case.Packages

  @needed ~w(starlette flask)
  {_python, packages, names} = Packages.fetch(@needed)
  @packages packages

  if @needed -- names != [], do: @tag(skip: "needs #{inspect(@needed -- names)}")
  @tag timeout: 120_000
  test "Starlette and Flask answer over HTTP" do
    arguments = ["run", "--no-compile", "examples/web.exs", @packages]
    environment = [{"MIX_ENV", "test"}, {"ERLANG_PYTHON", Py.Runtime.python().executable}]
    {output, 0} = System.cmd("mix", arguments, env: environment, stderr_to_stdout: true)

    for line <- [
          ~r"^/starlette/hello/Ada +200  Hello Ada, says Starlette$"m,
          ~r"^/flask/hello/Grace +200  Hello Grace, says Flask$"m,
          ~r"^/starlette/count +200  0 1 2 3 4 $"m,
          ~r"^/nowhere +404  nothing here$"m,
          ~r"^500 requests, 50 at a time: \d+ ms, %{200 => 500}$"m
        ],
        do: assert(output =~ line)
  end
end
