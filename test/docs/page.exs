defmodule DocsTest.Page do
  @moduledoc """
  A Markdown page as the tests read it: its blocks of code, its tables, and running the former.

  A page is run from top to bottom in one process, as by a reader who pastes it into a shell:
  what a block binds, later blocks of the same language see. Elixir says what comes out with
  `#=>` on the next line; Erlang matches; a block of Python is the file that its first line names.
  A block below `<!-- not run -->` only has to parse.
  """

  import ExUnit.Assertions

  @doc "The fenced blocks, in order."
  def blocks(page) do
    lines = page |> File.read!() |> String.split("\n") |> Enum.with_index(1)
    blocks(lines, page, "")
  end

  defp blocks([{"```" <> language, line} | rest], page, before) do
    {code, [_end | rest]} = Enum.split_while(rest, fn {text, _line} -> text != "```" end)
    code = Enum.map_join(code, "\n", &elem(&1, 0))
    run? = before != "<!-- not run -->"
    block = %{page: page, language: language, line: line + 1, code: code, run?: run?}
    [block | blocks(rest, page, "")]
  end

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
    page |> blocks() |> Enum.reduce({[], []}, &run(&1, &2, folder))
  end

  defp run(%{run?: false, language: "elixir"} = block, bindings, _folder) do
    Code.string_to_quoted!(block.code, file: block.page, line: block.line)
    bindings
  end

  defp run(%{language: "elixir"} = block, {elixir, erlang}, _folder) do
    {block |> steps() |> Enum.reduce(elixir, &step(&1, &2, block)), erlang}
  end

  defp run(%{language: "erlang"} = block, {elixir, erlang}, _folder) do
    {:ok, tokens, _line} = block.code |> String.to_charlist() |> :erl_scan.string(block.line)
    {elixir, tokens |> forms() |> Enum.reduce(erlang, &form(&1, &2, block))}
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

  defp step({code, line, expected}, binding, block) do
    {value, binding} = Code.eval_string(code, binding, file: block.page, line: line)

    if expected do
      assert_value(value, expected, "#{block.page}, after line #{line}")
    end

    binding
  rescue
    error in [ExUnit.AssertionError] -> reraise error, __STACKTRACE__
    error -> flunk("#{block.page}, after line #{line}: #{Exception.message(error)}")
  end

  defp assert_value(value, text, place) do
    {expected, _binding} = Code.eval_string(text)

    assert value === expected,
           "#{place}: the page says #{text}, the code gives #{inspect(value, limit: :infinity)}"
  end

  defp forms([]), do: []

  defp forms(tokens) do
    {form, [dot | rest]} = Enum.split_while(tokens, &(elem(&1, 0) != :dot))
    [form ++ [dot] | forms(rest)]
  end

  defp form(tokens, bindings, block) do
    {:ok, expressions} = :erl_parse.parse_exprs(tokens)
    {:value, _value, bindings} = :erl_eval.exprs(expressions, bindings)
    bindings
  rescue
    error ->
      flunk("#{block.page}, line #{tokens |> hd() |> elem(1)}: #{Exception.message(error)}")
  end
end
