defmodule DocsTest.Page do
  @moduledoc """
  A Markdown page as the tests read it: its blocks of code, its tables, and running the former.

  A page is run from top to bottom in one process, as by a reader who pastes it into a shell:
  what a block binds or imports, later blocks of the same language see. Elixir says what comes out with
  `#=>` on the next line; Erlang matches; a block of Python is the file that its first line names.
  A block below `<!-- not run -->` only has to parse.
  """

  import ExUnit.Assertions

  alias Py.Case.Erlang

  @doc "The fenced blocks, in order."
  def blocks(page) do
    lines = page |> File.read!() |> String.split("\n") |> Enum.with_index(1)
    blocks(lines, page, "")
  end

  defp blocks([{"```" <> language, line} | rest], page, before) do
    {code, [_end | rest]} = Enum.split_while(rest, fn {text, _line} -> text != "```" end)
    code = Enum.map_join(code, "\n", &elem(&1, 0))
    run? = before != "<!-- not run -->"
    place = %{page: page, line: line + 1, before: before}
    block = Map.merge(place, %{language: language, code: code, run?: run?})
    [block | blocks(rest, page, "")]
  end

  # Empty lines do not part a comment from the block it is about.
  defp blocks([{"", _line} | rest], page, before), do: blocks(rest, page, before)
  defp blocks([{text, _line} | rest], page, _before), do: blocks(rest, page, text)
  defp blocks([], _page, _before), do: []

  @doc "The rows of the table below that comment, as maps with its headings for keys."
  def table(page, comment) do
    [_before, rest] = page |> File.read!() |> String.split(comment <> "\n", parts: 2)
    lines = rest |> String.split("\n") |> Enum.take_while(&String.starts_with?(&1, "|"))
    [headings, _rule | rows] = Enum.map(lines, &cells/1)
    for row <- rows, do: Map.new(Enum.zip(headings, row))
  end

  defp cells(line),
    do: line |> String.split("|") |> Enum.slice(1..-2//1) |> Enum.map(&String.trim/1)

  @doc "Runs the blocks; `folder` is where Python files go."
  def run(page, folder) do
    start = {[], Code.env_for_eval(file: page)}
    page |> blocks() |> Enum.reduce({start, []}, &run(&1, &2, folder))
  end

  defp run(%{run?: false, language: "elixir"} = block, bindings, _folder) do
    block.code |> sigils() |> Code.string_to_quoted!(file: block.page, line: block.line)
    bindings
  end

  defp run(%{language: "elixir"} = block, {elixir, erlang}, _folder) do
    {block |> steps() |> Enum.reduce(elixir, &step(&1, &2, block)), erlang}
  end

  defp run(%{language: "erlang"} = block, {elixir, erlang}, _folder) do
    {_value, erlang} = Erlang.run(block.code, block.line, erlang)
    {elixir, erlang}
  rescue
    error -> flunk("#{block.page}: #{Exception.message(error)}")
  end

  defp run(%{language: "python"} = block, bindings, folder) do
    "# " <> name = block.code |> String.split("\n") |> hd()
    File.write!(Path.join(folder, Path.basename(name)), block.code)
    {:ok, contexts} = Py.start_contexts()
    code = "__import__('sys').path.append(folder)"
    for context <- contexts, do: {:ok, nil} = Py.eval(code, [folder: folder], context: context)
    bindings
  end

  defp run(_shell_or_text, bindings, _folder), do: bindings

  # Code up to a line with `#=>`, and what that line says.
  defp steps(block) do
    {steps, code, line} =
      block.code
      |> String.split("\n")
      |> Enum.with_index(block.line)
      |> Enum.reduce({[], [], block.line}, fn
        {"#=> " <> text, next}, {steps, code, line} ->
          {[{join(code), line, text} | steps], [], next + 1}

        {text, _line}, {steps, code, line} ->
          {steps, [text | code], line}
      end)

    Enum.reverse(steps, [{join(code), line, nil}])
  end

  defp join(lines), do: lines |> Enum.reverse() |> Enum.join("\n")

  defp step({code, line, expected}, shell, block) do
    {value, shell} = evaluate(code, shell, line)

    if expected do
      assert_value(value, expected, "#{block.page}, after line #{line}")
    end

    shell
  rescue
    error in [ExUnit.AssertionError] -> reraise error, __STACKTRACE__
    error -> flunk("#{block.page}, after line #{line}: #{Exception.message(error)}")
  end

  @doc "Evaluates code in a shell, `{binding, env}`, as it is after earlier code; its value."
  def evaluate(code, {binding, env}, line) do
    quoted = code |> sigils() |> Code.string_to_quoted!(file: env.file, line: line)
    {value, binding, env} = Code.eval_quoted_with_env(quoted, binding, env)
    {value, {binding, env}}
  end

  # Elixir before 1.15 does not know sigils of two letters.
  defp sigils(code) do
    if Version.match?(System.version(), ">= 1.15.0") do
      code
    else
      code
      |> String.replace(~r/~PY"""(.*?)"""/s, ~S|sigil_PY(~S"""\1""", [])|)
      |> String.replace(~r/~PY"([^"].*?)"/, ~S|sigil_PY(~S"\1", [])|)
    end
  end

  defp assert_value(value, text, place) do
    {expected, _binding} = Code.eval_string(text)

    assert value === expected,
           "#{place}: the page says #{text}, the code gives #{inspect(value, limit: :infinity)}"
  end
end
