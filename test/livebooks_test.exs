Code.require_file("docs/page.exs", __DIR__)

defmodule LivebooksTest do
  # Each notebook has the library configured in its own way.
  use Py.Case, async: false

  alias DocsTest.Page

  @output ~s(<!-- livebook:{"output":true} -->)

  # What takes long to install is kept where the tests' other packages are.
  @long ["guides/livebooks/machine_learning.livemd"]

  for notebook <- Path.wildcard("guides/livebooks/*.livemd") do
    if notebook in @long, do: @tag(long: true, timeout: 900_000)

    test "#{notebook} runs, and its cells have the outputs that are written below them" do
      path = unquote(notebook)
      [setup | cells] = cells(path)
      setup.code |> installation() |> configure()
      assert Enum.any?(cells, & &1.output)
      Enum.reduce(cells, {[], Code.env_for_eval(file: path)}, &run/2)
    end
  end

  # An Elixir cell, and the output that follows it, if one does.
  defp cells(path) do
    path
    |> Page.blocks()
    |> Enum.reduce([], fn
      %{language: "elixir"} = block, cells -> [Map.put(block, :output, nil) | cells]
      %{before: @output} = block, [cell | cells] -> [%{cell | output: block.code} | cells]
    end)
    |> Enum.reverse()
  end

  defp installation(code) do
    {{:., _, [{:__aliases__, _, [:Mix]}, :install]}, _, [[erlang_python: _version], options]} =
      Code.string_to_quoted!(code)

    [config: [erlang_python: config]] = options
    config
  end

  # What `Mix.install` would do with its `config:`.
  defp configure(config) do
    before = Application.get_all_env(:erlang_python)
    folder = Path.expand("_build/tools/notebooks-#{Py.Runtime.python().tag}")
    temporary = System.get_env("TMPDIR")
    File.mkdir_p!(folder)
    System.put_env("TMPDIR", folder)
    restart(config)

    on_exit(fn ->
      for {key, _value} <- config, do: Application.delete_env(:erlang_python, key)
      restart(before)
      if temporary, do: System.put_env("TMPDIR", temporary), else: System.delete_env("TMPDIR")
    end)
  end

  defp restart(config) do
    :ok = Application.stop(:erlang_python)
    Application.put_all_env(erlang_python: config)
    :ok = Application.start(:erlang_python)
  end

  # As Livebook shows a value, apart from the colours.
  defp run(cell, shell) do
    {value, shell} = Page.evaluate(cell.code, shell, cell.line)
    if cell.output, do: assert(inspect(value, pretty: true) == cell.output, "line #{cell.line}")
    shell
  end
end
