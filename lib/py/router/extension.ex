defmodule Py.Router.Extension do
  @moduledoc false

  # C extensions that only the main interpreter can load, and how they say so. A request that
  # named no context and met one is run again in the pool `:worker`, and its module is registered
  # for that pool; where the user chose the place, the error says what would help.

  require Logger

  alias Py.{Error, Native, Telemetry}
  alias Py.Router.{Pool, Registrations}

  # What the ImportError says, and who was seen to say it.
  @refusals [
    # CPython, for a module that does not declare more: lxml, pandas, readline.
    "does not support loading in subinterpreters",
    # numpy
    "cannot load module more than once per process",
    # Cython: scikit-learn, lxml
    "Interpreter change detected",
    # PyO3 before 0.17
    "do not yet support subinterpreters",
    # PyO3: pydantic_core, cryptography
    "may only be initialized once per interpreter process"
  ]

  # Modules of the standard library that run what they are given. That an import failed in there
  # says nothing about them.
  @runners ~w(__main__ builtins functools importlib itertools operator pickle runpy)

  # How Python calls the code of `eval` and `exec`.
  @sent ["<eval>", "<exec>"]

  @import ~r/(?:^|[;:])[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import\b|import[ \t]+([^\n;#]+))/m

  @hints %{
    context:
      "A context in a sub-interpreter cannot load this extension module. Use one with " <>
        "mode: :worker, or call without naming a context: the pool :worker is found by itself.",
    pool:
      "The contexts of this pool are sub-interpreters, which cannot load this extension module. " <>
        "Start the pool with mode: :worker, or use the pool :worker.",
    namespace:
      "The namespace of this process is in a sub-interpreter, which cannot load this extension " <>
        "module. Import it in the first exec of a process, or give pool: :worker to all that " <>
        "works with it."
  }

  @doc "Whether a request has to be run again in the pool `:worker`, which is remembered."
  @spec moves?(Py.Request.result(), Native.op()) :: boolean
  def moves?({:error, %Error{} = error}, op) do
    moves? = refusal?(error) and Pool.isolated?(:default)
    if moves?, do: remember(op, error)
    moves?
  end

  def moves?(_result, _op), do: false

  @doc "The result; the error with a hint if an extension was refused in that context or pool."
  @spec hint(Py.Request.result(), pid | Pool.name(), :context | :pool | :namespace) ::
          Py.Request.result()
  def hint({:error, %Error{} = error} = failed, place, kind) do
    if refusal?(error) and Pool.isolated?(place),
      do: {:error, Error.add_note(error, @hints[kind])},
      else: failed
  end

  def hint(result, _place, _kind), do: result

  @doc "Whether an extension refused a sub-interpreter somewhere on the way to this error."
  @spec refusal?(Error.t()) :: boolean
  # The traceback has the text of the exceptions that led to this one, too.
  def refusal?(%Error{message: message, traceback: lines}),
    do: Enum.any?([message | lines], &String.contains?(&1, @refusals))

  @doc "The modules that code imports, as far as one look can tell."
  @spec imports(String.t()) :: [String.t()]
  def imports(code) do
    for [_all | names] <- Regex.scan(@import, code),
        name <- names |> List.last() |> String.split(","),
        # Without what follows: `import numpy as np`.
        [module | _as] <- [String.split(name)],
        not String.starts_with?(module, "."),
        do: module
  end

  defp remember(op, error) do
    with package when is_binary(package) <- culprit(op, error),
         :new <- Registrations.add_new(package, :worker) do
      Telemetry.execute([:py, :router, :moved], %{count: 1}, %{package: package, pool: :worker})

      Logger.notice(
        "The Python package #{package}, or one that it needs, cannot be loaded in a " <>
          "sub-interpreter. From now on it runs in the pool :worker; nothing needs to be done. " <>
          "To say so beforehand: Py.Router.register_pool(:worker, #{inspect(package)})"
      )
    end
  end

  # An application that a web server's request is for.
  defp culprit({:call, "erlang." <> _module, _function, [app | _request], _kwargs}, _error)
       when is_binary(app),
       do: app |> String.split(":") |> hd() |> package()

  # A package goes as a whole: its modules share what its extensions keep.
  defp culprit({:call, module, _function, _args, _kwargs}, error) do
    package = package(to_string(module))
    if package in @runners, do: imported(error, @sent, [], 1), else: package
  end

  defp culprit({:sigil, code, _vars, file, line, _assigns}, error),
    do: imported(error, [file], String.split(code, "\n"), line)

  defp culprit(op, error), do: imported(error, @sent, String.split(elem(op, 1), "\n"), 1)

  # The outermost import statement on the way to the error, which is as near to the user's code
  # as can be. Python has no copy of the lines that were sent to it as a file of that name.
  defp imported(error, sent, lines, first) do
    Enum.find_value(error.frames, fn frame ->
      code = if frame.file in sent, do: Enum.at(lines, frame.line - first), else: frame.code
      packages = (code || "") |> imports() |> Enum.map(&package/1) |> Enum.uniq()
      if match?([_one], packages), do: hd(packages), else: Enum.find(packages, &named?(error, &1))
    end)
  end

  # As a folder or file on the way, or in CPython's words.
  defp named?(%Error{message: message, traceback: lines}, package),
    do: Enum.any?([message | lines], &String.contains?(&1, ["/#{package}", "module #{package}"]))

  defp package(module), do: module |> String.split(".") |> hd()
end
