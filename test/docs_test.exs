Code.require_file("docs/page.exs", __DIR__)
Code.require_file("docs/kinds.exs", __DIR__)

defmodule DocsTest do
  # The pool that the pages use is everyone's.
  use Py.Case, async: false

  alias DocsTest.{Kinds, Page}
  alias Py.ConversionTable

  @run ["README.md" | Path.wildcard("guides/*.md")]
  @read @run ++
          ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "usage-rules.md"] ++
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
    for [_, path] <-
          Regex.scan(~r/[`\s]((?:[a-z_.]+\/)+[\w*{},.-]*\.(?:exs?|rs|py|erl|md))\b/, text),
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

  test "the rules name every module of the Erlang facade" do
    rules = File.read!("usage-rules.md")

    for path <- Path.wildcard("src/*.erl"),
        module = Path.basename(path, ".erl"),
        # What the others share.
        module != "py_terms",
        do: assert(rules =~ "`#{module}`")
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

      written =
        Enum.map(Page.table("guides/type-conversion.md", "<!-- conversion table -->"), &written/1)

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
    defp word(cell), do: cell |> String.split(~r/(?<!:bytes),| of its /) |> hd()

    defp back("the same"), do: "same"
    defp back("its value"), do: "given"
    defp back(kind), do: kind
  end

  test "the guide's reasons are those of the code" do
    page = "guides/errors-and-timeouts.md"

    native =
      for path <- Path.wildcard("native/py_nif/src/**/*.rs"), into: "", do: File.read!(path)

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

  for page <- ["README.md", "guides/contexts-and-modes.md"] do
    test "the modes in #{page} are those of this Python" do
      rows = Page.table(unquote(page), "<!-- modes -->")
      row = Enum.find(rows, &(&1["Python"] =~ versions(Py.info())))

      {[default], others} =
        Enum.split_with(Enum.filter(Py.Mode.all(), & &1.supported), & &1.default)

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
