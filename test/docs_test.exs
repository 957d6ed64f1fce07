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

  @doc "The rows of the table below that comment, or with those headings, as maps."
  def table(page, marker) do
    [_before, rest] = page |> File.read!() |> String.split(marker <> "\n", parts: 2)
    lines = rest |> String.split("\n") |> Enum.take_while(&String.starts_with?(&1, "|"))

    case Enum.map(lines, &cells/1) do
      [_rule | rows] when binary_part(marker, 0, 1) == "|" -> rows(cells(marker), rows)
      [headings, _rule | rows] -> rows(headings, rows)
    end
  end

  defp rows(headings, rows), do: for(row <- rows, do: Map.new(Enum.zip(headings, row)))

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
    {steps, code, _line} =
      block.code
      |> String.split("\n")
      |> Enum.with_index(block.line)
      |> Enum.reduce({[], [], block.line}, fn
        {"#=> " <> text, next}, {steps, code, line} ->
          {[{join(code), line, text} | steps], [], next + 1}

        {text, _line}, {steps, code, line} ->
          {steps, [text | code], line}
      end)

    Enum.reverse(steps, [{join(code), block.line, nil}])
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

defmodule DocsTest.Kinds do
  @moduledoc "The words in which the guide's table speaks of values."

  @with_a_row [MapSet, Range, Date, Time, NaiveDateTime, DateTime, Decimal, Py.Buffer]

  def elixir(constant) when constant in [nil, true, false], do: "`#{inspect(constant)}`"
  def elixir({:bytes, _binary}), do: "`{:bytes, binary}`"
  def elixir(value) when is_atom(value), do: "other atom"
  def elixir(value) when is_integer(value), do: "integer of any size"
  def elixir(value) when is_float(value), do: "float"
  def elixir(value) when is_list(value), do: "list"
  def elixir(value) when is_tuple(value), do: "tuple"
  def elixir(value) when is_pid(value), do: "pid"
  def elixir(value) when is_reference(value), do: "reference"
  def elixir(value) when is_port(value), do: "port"
  def elixir(value) when is_function(value), do: "function"

  def elixir(value) when is_binary(value),
    do: if(String.valid?(value), do: "UTF-8 binary", else: "other binary")

  def elixir(%struct{} = value) do
    cond do
      Py.Encoder.impl_for(value) not in [nil, Py.Encoder.Any] -> "struct with `Py.Encoder`"
      struct in @with_a_row -> "`#{inspect(struct)}`"
      true -> "other struct"
    end
  end

  def elixir(value) when is_map(value), do: "map"

  @doc "What came back, where Python alone has the value."
  def back(atom) when is_atom(atom), do: "`#{inspect(atom)}`"
  def back(binary) when is_binary(binary), do: "binary"
  def back(value), do: elixir(value)

  @doc "The same for a Python value; it takes one variable, `value`."
  def python do
    """
    def kind(value):
        cls = type(value)
        if value is None or value is True or value is False:
            return repr(value)
        if cls is float and repr(value) in ("nan", "inf", "-inf"):
            return "float " + repr(value)
        for base in cls.__mro__:
            name = f"{base.__module__}.{base.__qualname__}"
            if name == "enum.Enum":
                return name
            if base.__name__ == "PurePath":
                return "pathlib.PurePath"
        if hasattr(cls, "__dataclass_fields__"):
            return "dataclass"
        if hasattr(cls, "_fields"):
            return "collections.namedtuple"
        if cls.__module__ == "__main__":
            return "subclass of a built-in type"
        zone = ""
        if cls.__name__ == "datetime":
            zone = " without a zone" if value.tzinfo is None else " with a zone"
        module = cls.__module__.replace("_py", "") + "."
        return module.replace("builtins.", "") + cls.__qualname__ + zone
    kind(value)
    """
  end
end

defmodule DocsTest do
  # The pool that the pages use is everyone's.
  use Py.Case, async: false

  alias DocsTest.{Kinds, Page}
  alias Py.ConversionTable

  @run ["README.md" | Path.wildcard("guides/*.md")]
  @read @run ++
          ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"] ++
          Enum.flat_map(~w(native native/py_* python), &Path.wildcard(&1 <> "/README.md"))

  for page <- @run do
    @tag :tmp_dir
    test "#{page} runs, and gives what it says", %{tmp_dir: folder} do
      Page.run(unquote(page), folder)
    end
  end

  for page <- @read do
    test "what #{page} speaks of exists" do
      page = unquote(page)
      text = File.read!(page)

      assert for({link, false} <- links(page, text), do: link) == []
      assert for({path, false} <- paths(page, text), do: path) == []
      assert for({function, false} <- functions(text), do: function) == []
      assert for({module, false} <- modules(text), do: module) == []
      assert for({target, false} <- targets(text), do: target) == []
    end
  end

  defp links(page, text) do
    for [_, path | anchor] <- Regex.scan(~r/\]\(([^)#\s]*)(#[^)\s]+)?\)/, text),
        not String.contains?(path, "://") do
      target = if path == "", do: page, else: Path.join(Path.dirname(page), path)
      {path, File.exists?(target) and Enum.all?(anchor, &(&1 in anchors(target)))}
    end
  end

  defp anchors(page) do
    for [_, heading] <- Regex.scan(~r/^#+ (.*)$/m, File.read!(page)) do
      words = heading |> String.downcase() |> String.replace(~r/[^\w -]/u, "")
      "#" <> String.replace(words, " ", "-")
    end
  end

  # From the root or from the page's own folder. What is in `config` and `priv` is the reader's.
  defp paths(page, text) do
    for [_, path] <- Regex.scan(~r/[`\s]((?:[a-z_.]+\/)+[\w*{},.-]*\.(?:exs?|rs|py|erl|md))\b/, text),
        not String.starts_with?(path, ["config/", "priv/"]) do
      found = Enum.flat_map([path, Path.join(Path.dirname(page), path)], &Path.wildcard/1)
      {path, found != []}
    end
  end

  defp functions(text) do
    elixir = Regex.scan(~r/`([A-Z][\w.]*)\.([a-z_]+[?!]?)\/(\d)`/, text)
    erlang = Regex.scan(~r/`(py\w*):([a-z_]+)\/(\d)`/, text)

    for [shown, module, name, arity] <- elixir ++ erlang do
      module = if module =~ ~r/^[A-Z]/, do: Module.concat([module]), else: String.to_atom(module)
      Code.ensure_loaded(module)
      {shown, function_exported?(module, String.to_atom(name), String.to_integer(arity))}
    end
  end

  defp modules(text) do
    for [_, name] <- Regex.scan(~r/`(Py(?:\.[A-Z]\w*)*)`/, text),
        do: {name, Code.ensure_loaded?(Module.concat([name]))}
  end

  defp targets(text) do
    makefile = File.read!("Makefile")

    for [shown, target] <- Regex.scan(~r/(?:`|^    )make ([a-z-]+)/m, text),
        do: {shown, makefile =~ ~r/^#{target}:/m}
  end

  test "the README is no longer than 200 lines" do
    assert length(String.split(File.read!("README.md"), "\n")) <= 200
  end

  test "every public function is documented" do
    {:ok, modules} = :application.get_key(:erlang_python, :modules)

    for module <- modules,
        not String.contains?(to_string(module.module_info(:compile)[:source]), "/test/"),
        {:docs_v1, _, _, _, %{"en" => _public}, _, docs} <- [Code.fetch_docs(module)],
        {{kind, name, arity}, _, _, doc, _} when kind in [:function, :macro] <- docs do
      assert doc != :none, "#{inspect(module)}.#{name}/#{arity} has no documentation"
    end
  end

  describe "the guide's conversion table" do
    test "has a row for all that the code's has, and no other" do
      specified = for row <- ConversionTable.rows(), uniq: true, do: specified(row)
      written = Enum.map(Page.table("guides/type-conversion.md", "<!-- conversion table -->"), &written/1)

      # What only comes from Python need not be said twice.
      two_way = for {elixir, python, _back} <- written, elixir != "", do: {"", python, elixir}
      assert specified -- (written ++ two_way) == []
      assert written -- specified == []
    end

    # Elixir's word, Python's, and Elixir's for what comes back; the last one is `same` or `given`
    # where the table says it like that.
    defp specified(%{elixir: value} = row) do
      case Kinds.elixir(value) do
        "struct with `Py.Encoder`" = kind -> {kind, "given", "given"}
        kind -> {kind, python(value), back(value, row)}
      end
    end

    defp specified(%{python: code, back: value}) do
      {:ok, object} = Py.eval(code, %{}, return: :object)

      case python(object) do
        "enum.Enum" = kind -> {"", kind, "given"}
        "subclass" <> _ = kind -> {"", kind, "given"}
        kind -> {"", kind, if(is_map(value), do: Kinds.elixir(value), else: Kinds.back(value))}
      end
    end

    defp python(value), do: Py.eval!(Kinds.python(), %{value: value})

    defp back(value, row) do
      back = Map.get(row, :back, value)
      if Kinds.elixir(back) == Kinds.elixir(value), do: "same", else: Kinds.back(back)
    end

    defp written(%{"Elixir" => elixir, "Python" => python, "comes back as" => back}) do
      {word(elixir), python |> word() |> String.replace(["`", ":"], ""), back |> word() |> back()}
    end

    # The words before the comment that some cells have behind them.
    defp word("what " <> _), do: "given"
    defp word("{:" <> _ = cell), do: cell
    defp word(cell), do: cell |> String.split(~r/(?<!:bytes),| of its /) |> hd()

    defp back("the same"), do: "same"
    defp back("its value"), do: "given"
    defp back(other), do: other
  end

  test "the guide's reasons are those of the code" do
    page = "guides/errors-and-timeouts.md"
    native = for path <- Path.wildcard("native/py_nif/src/**/*.rs"), into: "", do: File.read!(path)

    {:ok, types} = Code.Typespec.fetch_types(Py.ContextError)
    [union] = for {:type, {:reason, {:type, _, :union, union}, []}} <- types, do: union
    reasons = for {:atom, _, reason} <- union, do: reason
    text = File.read!(page)

    assert Enum.all?(reasons, &(text =~ "`#{inspect(&1)}`"))
    for reason <- reasons(page, "<!-- context reasons -->"), do: assert(reason in reasons)

    for reason <- reasons(page, "<!-- conversion reasons -->"),
        do: assert(native =~ ~s("#{reason}"), "no conversion fails with #{inspect(reason)}")
  end

  defp reasons(page, marker) do
    for %{"reason" => "`:" <> rest} <- Page.table(page, marker),
        do: rest |> String.trim_trailing("`") |> String.to_atom()
  end

  test "the guide has every key of the configuration" do
    rows = Page.table("guides/getting-started.md", "<!-- application keys -->")
    declared = Regex.scan(~r/^  \* `:(\w+)`/m, Py.Options.docs(:application))
    assert Enum.sort(for %{"key" => key} <- rows, do: String.trim(key, "`")) ==
             Enum.sort(for [_, key] <- declared, do: key)
  end

  for {page, heading} <- [
        {"README.md",
         "| Python | `mode: :auto` is | a context is | `Py.execution_mode/0` | also supported |"},
        {"guides/contexts-and-modes.md",
         "| Python | `mode: :auto` is | `Py.execution_mode/0` | also supported |"}
      ] do
    test "the modes in #{page} are those of this Python" do
      rows = Page.table(unquote(page), unquote(heading))
      row = Enum.find(rows, &(&1["Python"] =~ versions(Py.info())))
      {[default], others} = Enum.split_with(Enum.filter(Py.Mode.all(), & &1.supported), & &1.default)

      assert row["`mode: :auto` is"] == "`#{inspect(default.name)}`"
      assert row["`Py.execution_mode/0`"] == "`#{inspect(default.execution_mode)}`"

      assert Enum.sort(String.split(row["also supported"], ", ")) ==
               Enum.sort(for other <- others, do: "`#{inspect(other.name)}`")
    end
  end

  defp versions(%{free_threaded: true}), do: "t"
  defp versions(%{version_info: {3, minor, _}}) when minor < 12, do: "3.9 - 3.11"
  defp versions(%{version_info: {3, minor, _}}) when minor < 14, do: "3.12, 3.13"
  defp versions(%{version_info: {3, _minor, _}}), do: "3.14"
end
