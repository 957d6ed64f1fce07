defmodule Mix.Tasks.Py.Repl do
  @shortdoc "Starts a Python prompt in a context of this or of a running node"

  @moduledoc """
  Starts the application and a Python prompt in one of its contexts.

      $ mix py.repl
      $ mix py.repl --context MyApp.Python
      $ mix py.repl --remsh my_app@example.com --cookie SECRET

  Lines can be edited and recalled, and the tab key completes names, from OTP 26 on. On OTP 25
  that takes a shell of Elixir around it: `iex -S mix py.repl`. `exit()` leaves.

  ## Options

    * `--context` - the context: its registered name, or its 1-based place in the pool.
      Default: 1
    * `--pool` - the pool of that place. Default: `default`
    * `--remsh` - the node to attach to, where the library runs. Nothing is started here then
    * `--cookie` - the cookie of that node
    * `--name` - the name to give this node, for `--remsh`; one is made up otherwise

  See `Py.Repl` for the prompt itself.
  """

  use Mix.Task

  alias Py.Repl

  @switches [
    context: :string,
    pool: :string,
    remsh: :string,
    cookie: :string,
    name: :string
  ]

  @impl true
  def run(arguments) do
    {options, _rest} = OptionParser.parse!(arguments, strict: @switches)
    where = Enum.flat_map(options, &where/1)

    case options[:remsh] do
      nil ->
        Mix.Task.run("app.start")
        at_terminal({Repl, :start, [where]})

      remote ->
        Mix.Task.run("loadpaths")
        node = String.to_atom(remote)
        connect(node, options)
        at_terminal({Repl, :attach, [node, where]})
    end
  end

  @doc false
  # What the interactive shell of OTP 26 starts: a process, which has not to end before the VM does.
  def interactive(parent, {module, function, arguments}) do
    spawn(fn ->
      send(parent, {:py_repl, apply(module, function, arguments)})
      Process.sleep(:infinity)
    end)
  end

  defp where({:context, text}) do
    case Integer.parse(text) do
      {index, ""} -> [context: index]
      _name -> [context: name(text)]
    end
  end

  defp where({:pool, text}), do: [pool: name(text)]
  defp where(_other), do: []

  # As it is written in Elixir: a module's name, or an atom.
  defp name(text) do
    if text =~ ~r/^[A-Z]/, do: Module.concat([text]), else: String.to_atom(text)
  end

  # Mix has no line editor of its own. In `iex -S mix` there is one already, and OTP 26 starts one
  # at any time, provided that there is a terminal.
  defp at_terminal({module, function, arguments} = work) do
    cond do
      Repl.editing?() -> finish(apply(module, function, arguments))
      interactive?() -> finish(in_shell(work))
      true -> finish(without_editor(work))
    end
  end

  defp interactive? do
    options = :io.getopts()
    terminal? = is_list(options) and Keyword.get(options, :stdin, options[:terminal]) == true
    terminal? and startable?()
  end

  defp startable?,
    do: Code.ensure_loaded?(:shell) and function_exported?(:shell, :start_interactive, 1)

  defp in_shell(work) do
    :ok = apply(:shell, :start_interactive, [{__MODULE__, :interactive, [self(), work]}])
    receive do: ({:py_repl, result} -> result)
  end

  defp without_editor({module, function, arguments}) do
    unless startable?(),
      do: Mix.shell().info("For line editing and completion on this OTP: iex -S mix py.repl")

    apply(module, function, arguments)
  end

  # Whoever has started `iex` for a Python prompt wants no other one afterwards.
  defp finish(:ok) do
    if Code.ensure_loaded?(IEx) and IEx.started?() do
      System.stop(0)
      Process.sleep(:infinity)
    end

    :ok
  end

  defp finish({:error, exception}), do: Mix.raise(Exception.message(exception))

  ## Another node

  defp connect(node, options) do
    start_distribution(node, options[:name])
    if cookie = options[:cookie], do: Node.set_cookie(node, String.to_atom(cookie))

    unless Node.connect(node) == true do
      Mix.raise(
        "There is no way to #{node}. Does it run under that name, with that cookie (--cookie)?"
      )
    end

    unless match?({:module, _}, :erpc.call(node, :code, :ensure_loaded, [Repl])),
      do: Mix.raise("The node #{node} does not have this version of erlang_python.")
  end

  defp start_distribution(node, name) do
    [_name, host] = node |> Atom.to_string() |> String.split("@") |> with_host(node)
    kind = if String.contains?(host, "."), do: :longnames, else: :shortnames
    name = name || "py_repl_#{System.pid()}@#{own_host(host, kind)}"

    with false <- Node.alive?(),
         :ok = start_port_mapper(),
         {:error, reason} <- Node.start(String.to_atom(name), kind) do
      Mix.raise("This node cannot be named #{name}: #{inspect(reason)}. Does epmd run?")
    end
  end

  # As `erl -name` does, which `Node.start/2` does not. One that runs already stays the only one.
  defp start_port_mapper do
    if epmd = System.find_executable("epmd"),
      do: System.cmd(epmd, ["-daemon"], stderr_to_stdout: true)

    :ok
  end

  defp with_host([_name, _host] = parts, _node), do: parts
  defp with_host(_parts, node), do: Mix.raise("#{node} is not the name of a node, name@host")

  # On the same machine, its own notation is the one that both understand.
  defp own_host(host, kind) do
    {:ok, own} = :inet.gethostname()

    cond do
      kind == :shortnames -> own
      host in ["127.0.0.1", "localhost.localdomain"] -> host
      true -> with({:ok, hostent} <- :inet.gethostbyname(own), do: elem(hostent, 1))
    end
  end
end
