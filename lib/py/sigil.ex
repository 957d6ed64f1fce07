defmodule Py.Sigil do
  @moduledoc ~S'''
  Python within Elixir: the sigil `~PY`, whose variables are those of both.

      import Py.Sigil

      samples = [3, 1, 2]

      ~PY"""
      import statistics
      middle = statistics.median(samples)
      f"of {len(samples)} samples"
      """
      #=> "of 3 samples"

      middle
      #=> 2

  Elixir before 1.15 has no sigils of two letters; there the macro is called by its name, with the
  code as a string or in a sigil that has no escapes: `sigil_PY(~S"1 + 1", [])`.

  ## Variables

    * A name that the code reads is the Elixir variable of that name, if there is one in scope.
    * A name that the code assigns at its top level is an Elixir variable afterwards, also by
      `import`, `def`, `class`, `for` and the like. What the code might assign but did not keeps
      its value, or is `nil`.
    * Names that begin with an underscore are Python's alone. Use them for large values that
      Elixir has no need of, as all others cross.
    * The value of the sigil is that of the code's last expression, or `nil` if it ends with a
      statement.

  Values cross as with `Py.eval/3`, as copies: to append to a list in one sigil does not change
  the list in Elixir. What has no counterpart, such as a module, a function or an array of numpy,
  is a `Py.Object` that stands for it. So what one sigil imports or defines, the next ones in the
  same scope can use, and nothing else can.

  ## Where it runs

  Where `Py.exec/2` would: in the context that the process is bound to, else in one that it gets
  with its first sigil and keeps, so that its objects can meet. The code sees what the process
  has executed there, and leaves nothing behind but its variables. It may take any time; for a
  limit, use `Py.eval/3` with `timeout:`. It ends with the process that runs it.

  ## Errors

  Python's exceptions are raised as `Py.Error`. Their tracebacks have the file and the lines of
  the Elixir source. Code with a syntax error does not compile, if a Python is found at that
  time. Without one, Elixir compiles all the same; such an error then shows when the code runs,
  and any name in it may have become a variable.
  '''

  alias Py.{Request, Telemetry}
  alias Py.Request.{Route, Settings}
  alias Py.Sigil.Names

  @doc ~S'''
  Handles `~PY`: runs Python code, see `Py.Sigil`. There are no modifiers, and no interpolation.

      iex> import Py.Sigil
      iex> x = 20
      iex> sigil_PY("x * 2 + 2", [])
      42
      iex> sigil_PY("y = x ** 2", [])
      nil
      iex> y
      400

  '''
  defmacro sigil_PY(code, modifiers) do
    if __CALLER__.context,
      do: fail!(__CALLER__.line, "~PY runs code and is no pattern", __CALLER__)

    if modifiers != [], do: fail!(__CALLER__.line, "~PY has no modifiers", __CALLER__)

    {source, line} = literal!(code, __CALLER__)
    file = Path.relative_to_cwd(__CALLER__.file)

    case Names.find(source, file, line) do
      {:ok, reads, assigns} ->
        expand({source, file, line}, reads, assigns, __CALLER__)

      {:error, line, message} ->
        fail!(line, "Python does not compile this: #{message}", __CALLER__)
    end
  end

  @doc false
  # `assigned` has the names that the code may assign, with the values that they have otherwise.
  @spec run({String.t(), String.t(), pos_integer}, keyword, [{String.t(), term}]) ::
          {term, [term]}
  def run({source, file, line}, variables, assigned) do
    names = Enum.map(assigned, &elem(&1, 0))
    op = {:sigil, source, variables, file, line, names}

    {value, changed} =
      op
      |> Telemetry.call(:infinity, &Route.route(Settings.get(), op, nil, :term, &1))
      |> Request.bang!()

    {value, Enum.map(assigned, fn {name, otherwise} -> Map.get(changed, name, otherwise) end)}
  end

  # What is quoted stands where a variable would, so that the names are those of the caller. As
  # generated code they may go unused without a warning.
  defp expand(place, reads, assigns, env) do
    variables = for name <- reads, defined?(name, env), do: {String.to_atom(name), variable(name)}
    assigned = for name <- assigns, do: {name, if(defined?(name, env), do: variable(name))}

    quote generated: true do
      {value, unquote(Enum.map(assigns, &variable/1))} =
        unquote(__MODULE__).run(
          unquote(Macro.escape(place)),
          unquote(variables),
          unquote(assigned)
        )

      value
    end
  end

  defp defined?(name, env), do: Macro.Env.has_var?(env, {String.to_atom(name), nil})
  defp variable(name), do: {String.to_atom(name), [generated: true], nil}

  # The text of a sigil comes in a node; of a heredoc, the first line is the one after the sigil's.
  defp literal!({:<<>>, meta, [source]}, env) when is_binary(source) do
    line = Keyword.get(meta, :line, env.line)
    {source, if(meta[:indentation], do: line + 1, else: line)}
  end

  defp literal!({:sigil_S, _meta, [node, []]}, env), do: literal!(node, env)
  defp literal!(source, env) when is_binary(source), do: {source, env.line}
  defp literal!(_other, env), do: fail!(env.line, "~PY takes its code as it is written", env)

  @spec fail!(pos_integer, String.t(), Macro.Env.t()) :: no_return
  defp fail!(line, text, env),
    do: raise(CompileError, file: env.file, line: line, description: text)
end
