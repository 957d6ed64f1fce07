defmodule Py.Options do
  @moduledoc false

  # Every option of every verb, and every key of the application environment, is declared here
  # once. Validation, defaults and the option lists in the documentation all come from it.

  # What runs in one of several contexts.
  @routed [:call, :eval, :exec, :spawn_call, :map, :create_task, :cast] ++
            [:stream, :stream_eval, :stream_start, :web]

  @declared [
    context: [
      verbs: [:memory_stats, :gc | @routed],
      type: :context,
      default: nil,
      doc:
        "the context to run in: a pid, a registered name, or the 1-based index of one in the " <>
          "pool. Without it the bound context is used, else one of a pool"
    ],
    pool: [
      verbs: @routed,
      type: :pool,
      default: nil,
      doc:
        "the pool to run in. Without it the one registered for the module is used, else " <>
          "`:default`"
    ],
    timeout: [
      verbs: [
        :call,
        :eval,
        :exec,
        :getattr,
        :object,
        :value,
        :spawn_call,
        :map,
        :stream,
        :stream_eval,
        :stream_start,
        :items,
        :web,
        :memory_stats,
        :gc
      ],
      type: :timeout,
      default: 30_000,
      doc:
        "milliseconds to wait, or `:infinity`. After that the work is stopped and the answer " <>
          "is a `Py.ContextError` with the reason `:timeout`"
    ],
    timeout: [
      verbs: [:create_task],
      type: :timeout,
      default: :infinity,
      doc:
        "milliseconds from its beginning after which the task is cancelled, or `:infinity`. The " <>
          "answer is then a `Py.ContextError` with the reason `:timeout`"
    ],
    generation: [
      verbs: [:gc],
      type: {:in, [0, 1, 2]},
      default: 2,
      doc: "the oldest generation of objects to look at; 2 is all of them"
    ],
    kwargs: [
      verbs: [:call, :object, :spawn_call, :map, :create_task, :cast, :stream, :stream_start],
      type: :kwargs,
      default: [],
      doc: "keyword arguments, as a keyword list or a map"
    ],
    inline: [
      verbs: [:call, :eval, :object],
      type: {:in, [true, false]},
      default: false,
      doc:
        "run the code on this process's own scheduler if the context is idle. A promise that it " <>
          "takes far less than a millisecond and waits for nothing; see the guide on performance"
    ],
    return: [
      verbs: [:call, :eval, :getattr, :object, :spawn_call, :map, :create_task],
      type: {:in, [:term, :object, :json]},
      default: :term,
      doc:
        "`:term` converts the result, `:object` answers with a `Py.Object` that stands for it, " <>
          "`:json` with a binary of JSON"
    ],
    as: [
      verbs: [:call, :eval, :getattr, :object, :spawn_call, :map],
      type: :decoder,
      default: nil,
      doc:
        "what to make of the result: a struct, whose fields are taken from a map or from each " <>
          "map of a list, or a function of the result"
    ],
    body: [
      verbs: [:web],
      type: :any,
      default: nil,
      doc: "the body of the request, as iodata. Default: that of the request"
    ],
    stream: [
      verbs: [:web],
      type: {:in, [true, false]},
      default: false,
      doc: "whether to answer when the response has begun, with a stream for a body"
    ],
    batch: [
      verbs: [:stream, :stream_eval, :items],
      type: :pos_integer,
      default: 1_000,
      doc: "how many items to fetch from Python at a time, at most"
    ],
    window: [
      verbs: [:stream_start],
      type: :pos_integer,
      default: 1_000,
      doc:
        "how many messages of the stream may wait in the receiver's mailbox before it pauses; " <>
          "those of others do not count"
    ],
    owner: [
      verbs: [:stream_start],
      type: :owner,
      default: nil,
      doc: "the process to send to. Default: the caller"
    ],
    type: [
      verbs: [:channel],
      type: {:in, [:term, :bytes]},
      default: :term,
      doc:
        "what messages are: `:term` for any term, `:bytes` for binaries and iodata, which are " <>
          "`bytes` in Python whatever is in them"
    ],
    max_size: [
      verbs: [:channel],
      type: :limit,
      default: 16 * 1024 * 1024,
      doc: "how many bytes of messages may be queued, or `:infinity`"
    ],
    owner: [
      verbs: [:channel],
      type: :owner,
      default: nil,
      doc: "the process whose end closes the channel. Default: the caller"
    ],
    demand: [
      verbs: [:channel_subscribe],
      type: :limit,
      default: :infinity,
      doc: "how many messages to send before `Py.Channel.ask/3` asks for more"
    ],
    timeout: [verbs: [:channel_wait], type: :timeout, default: 30_000, doc: ""],
    default: [
      verbs: [:getattr],
      type: :any,
      doc: "the value to answer with when there is no such attribute"
    ],
    mode: [
      verbs: [:context, :reactor, :start_pool, :pool, :application],
      type: :mode,
      default: :auto,
      doc:
        "which interpreter to run in, one of `Py.Mode.names/0`; `:auto` is the best this " <>
          "Python has"
    ],
    max_queue: [
      verbs: [:context, :reactor, :start_pool, :pool, :application],
      type: :pos_integer,
      default: 10_000,
      doc: "how many requests may wait in a context before it answers `:busy`"
    ],
    memory_limit: [
      verbs: [:context, :start_pool, :pool],
      type: :pos_integer,
      default: nil,
      doc:
        "bytes that the code of the context may have allocated before it is stopped with " <>
          "`:out_of_memory`, where Python can tell; see the guide \"Errors and timeouts\". " <>
          "Default: no limit"
    ],
    grace: [
      verbs: [:context, :reactor, :start_pool, :pool, :application],
      type: :timeout,
      default: 5_000,
      doc:
        "milliseconds that interrupted code has to end before its context is given up and " <>
          "replaced, or `:infinity`"
    ],
    drain: [
      verbs: [:start_pool, :pool, :stop_pool, :application],
      type: :timeout,
      default: 0,
      doc:
        "milliseconds that a pool which stops leaves its contexts to finish what they have " <>
          "accepted, or `:infinity`"
    ],
    drain: [
      verbs: [:resize_pool],
      type: :timeout,
      default: 30_000,
      doc:
        "milliseconds that contexts which go have to finish what they have accepted, or " <>
          "`:infinity`"
    ],
    name: [
      verbs: [:context, :reactor],
      type: :name,
      default: nil,
      doc: "a name to register the process under"
    ],
    name: [verbs: [:pool], type: :pool, doc: "the name of the pool, which has to be given"],
    size: [
      verbs: [:pool],
      type: :pos_integer,
      default: nil,
      doc: "how many contexts the pool has. Default: one per scheduler online"
    ],
    register: [
      verbs: [:pool],
      type: :registrations,
      default: [],
      doc:
        "modules and functions whose calls go to the pool, each as in " <>
          "`Py.Router.register_pool/2`"
    ],
    id: [
      verbs: [:context, :reactor],
      type: :any,
      default: nil,
      doc: "the id of the child specification"
    ],
    contexts: [
      verbs: [:start_contexts],
      type: :pos_integer,
      default: nil,
      doc: "how many contexts the pool has. Default: the application's `num_contexts`"
    ],
    level: [
      verbs: [:logger],
      type:
        {:in, ~w(all debug info notice warning error critical alert emergency none)a ++ [nil]},
      default: nil,
      doc:
        "a level of `Logger`, or `:all` or `:none`. Default: the level of `Logger`, below which " <>
          "records are of no use"
    ],
    max_spans: [
      verbs: [:tracer],
      type: :pos_integer,
      default: 10_000,
      doc: "how many spans to keep; the oldest go first"
    ],
    telemetry: [
      verbs: [:application],
      type: {:in, [true, false]},
      default: false,
      doc: "whether calls emit events, see `Py.Telemetry`"
    ],
    python: [
      verbs: [:application],
      type: :python,
      default: nil,
      doc: "the Python to use: a version such as `\"3.13\"` or a path. Default: the newest found"
    ],
    num_contexts: [
      verbs: [:application],
      type: :pos_integer,
      default: nil,
      doc: "how many contexts the pool has. Default: one per scheduler online"
    ],
    pools: [
      verbs: [:application],
      type: :pools,
      default: [],
      doc:
        "pools to start with the application, as in `[io: [size: 10, mode: :worker]]`; the " <>
          "options are those of a pool under a supervisor"
    ],
    paths: [
      verbs: [:application],
      type: :paths,
      default: [],
      doc: "directories to put on `sys.path` of every interpreter"
    ],
    venv: [
      verbs: [:application],
      type: :venv,
      default: nil,
      doc:
        "the virtual environment to activate: its folder, or `{folder, requirements}` or " <>
          "`{folder, requirements, options}` for `Py.Venv.ensure/3`"
    ],
    imports: [
      verbs: [:application],
      type: :names,
      default: [],
      doc: "modules to import in every context when it opens"
    ],
    preload_code: [
      verbs: [:application],
      type: :code,
      default: nil,
      doc: "code to execute in every context when it opens"
    ],
    installer: [
      verbs: [:venv],
      type: {:in, [nil, :pip, :uv]},
      default: nil,
      doc: "`:pip` or `:uv`. Default: uv where it is installed, else pip"
    ],
    force: [
      verbs: [:venv],
      type: {:in, [true, false]},
      default: false,
      doc: "whether to make the environment anew even if it holds what is asked for"
    ],
    activate: [
      verbs: [:venv],
      type: {:in, [true, false]},
      default: true,
      doc: "whether to activate the environment; an image for deployment only needs it made"
    ],
    quiet: [
      verbs: [:venv],
      type: {:in, [true, false]},
      default: false,
      doc: "whether to keep what the installer prints from the terminal"
    ],
    context: [
      verbs: [:reactor],
      type: :context,
      default: nil,
      doc:
        "the context to run in, which serves other requests between two rounds. Without it the " <>
          "reactor opens one of its own, as `mode:`, `max_queue:` and `grace:` say"
    ],
    protocol: [
      verbs: [:reactor],
      type: :protocol,
      default: nil,
      doc:
        "what makes the protocols, as `\"package.module.Name\"` or `{module, name}`; a name " <>
          "alone is one that `setup:` has defined"
    ],
    setup: [
      verbs: [:reactor],
      type: :code,
      default: nil,
      doc: "code to execute in the context first"
    ],
    max_connections: [
      verbs: [:reactor],
      type: :pos_integer,
      default: nil,
      doc: "with so many connections the reactor answers `:busy`. Default: no limit"
    ],
    max_write_buffer: [
      verbs: [:reactor],
      type: :pos_integer,
      default: 16 * 1024 * 1024,
      doc:
        "bytes that may wait to be written to one connection before `write` raises " <>
          "`BlockingIOError`"
    ],
    shared: [
      verbs: [:reactor],
      type: {:in, [true, false]},
      default: true,
      doc: "whether the reactor takes part in `Py.Reactor.handoff/2`"
    ],
    inline: [
      verbs: [:application],
      type: :functions,
      default: [],
      doc: "functions that are called inline, as in `[{:math, :sqrt}]`"
    ],
    stack_size: [
      verbs: [:application],
      type: :pos_integer,
      default: 16 * 1024 * 1024,
      doc: "bytes of stack for each Python thread"
    ]
  ]

  @verbs @declared |> Enum.flat_map(fn {_name, spec} -> spec[:verbs] end) |> Enum.uniq()

  @doc "The options of `verb` as a map: those given, and the defaults of the others."
  @spec parse!(atom, keyword) :: map
  def parse!(verb, options)

  # An option without a default, such as `default:` itself, is in the map only when given.
  for verb <- @verbs do
    own = for {name, spec} <- @declared, verb in spec[:verbs], do: {name, spec}

    defaults =
      for {name, spec} <- own, Keyword.has_key?(spec, :default), do: {name, spec[:default]}

    def parse!(unquote(verb), options) do
      fill(options, unquote(Macro.escape(Map.new(defaults))), unquote(verb))
    end

    for {name, spec} <- own do
      defp type(unquote(verb), unquote(name)), do: unquote(spec[:type])
    end
  end

  defp type(_verb, _name), do: nil

  @doc "A key of the application environment, validated, or its default."
  @spec env(atom) :: term
  def env(name) do
    %{^name => value} =
      parse!(:application, Keyword.take(Application.get_all_env(:erlang_python), [name]))

    value
  end

  @doc "The default of an option."
  @spec default(atom) :: term
  def default(name), do: @declared |> Keyword.fetch!(name) |> Keyword.fetch!(:default)

  @doc "The options of `verb`, as a Markdown list."
  @spec docs(atom) :: String.t()
  def docs(verb) do
    for {name, spec} <- @declared, verb in spec[:verbs], into: "" do
      "  * `#{inspect(name)}` - #{spec[:doc]}.#{shown_default(spec[:default])}\n"
    end
  end

  defp shown_default(empty) when empty in [nil, []], do: ""
  defp shown_default(value), do: " Default: `#{inspect(value)}`."

  defp fill([{name, value} | rest], parsed, verb) do
    case type(verb, name) do
      nil -> unknown!(verb, name)
      type -> fill(rest, Map.put(parsed, name, valid!(type, name, value)), verb)
    end
  end

  defp fill([], parsed, _verb), do: parsed

  defp fill(options, _parsed, verb) do
    raise ArgumentError, "the options of #{verb} are a keyword list, not #{inspect(options)}"
  end

  defp valid!(type, name, value) do
    if valid?(type, value) do
      value
    else
      raise ArgumentError, "#{inspect(value)} is not a value for the option #{inspect(name)}"
    end
  end

  defp unknown!(verb, name) do
    known = for {known, spec} <- @declared, verb in spec[:verbs], do: inspect(known)

    raise ArgumentError,
          "#{inspect(name)} is not an option of #{verb}, which knows #{Enum.join(known, ", ")}"
  end

  defp valid?(:any, _value), do: true
  # The emulator waits 32 bits of milliseconds at most.
  defp valid?(:timeout, value), do: value == :infinity or value in 0..0xFFFFFFFF
  defp valid?(:kwargs, value), do: is_list(value) or is_map(value)
  defp valid?(:decoder, value), do: is_atom(value) or is_function(value, 1)
  defp valid?(:owner, value), do: is_nil(value) or is_pid(value)
  defp valid?(:pos_integer, value), do: is_nil(value) or (is_integer(value) and value > 0)
  defp valid?(:limit, value), do: value == :infinity or (is_integer(value) and value > 0)
  defp valid?(:pool, value), do: is_atom(value)
  defp valid?(:pools, value), do: Keyword.keyword?(value)
  defp valid?(:registrations, value), do: is_list(value)
  defp valid?(:code, value), do: is_nil(value) or is_binary(value)
  defp valid?(:protocol, {module, name}), do: name?(module) and name?(name)
  defp valid?(:protocol, value), do: is_nil(value) or is_binary(value)
  defp valid?(:mode, value), do: is_atom(value) and not is_nil(value)
  defp valid?(:python, value), do: is_nil(value) or is_binary(value)
  defp valid?(:paths, value), do: is_list(value) and Enum.all?(value, &is_binary/1)

  defp valid?(:names, value),
    do: is_list(value) and Enum.all?(value, &(is_atom(&1) or is_binary(&1)))

  defp valid?(:venv, {folder, _requirements, options}),
    do: valid?(:venv, {folder, []}) and is_list(options)

  defp valid?(:venv, {folder, _requirements}), do: is_binary(folder)
  defp valid?(:venv, folder), do: is_nil(folder) or is_binary(folder)
  defp valid?(:functions, value), do: is_list(value) and Enum.all?(value, &match?({_, _}, &1))
  defp valid?(:context, value) when is_integer(value), do: value > 0
  defp valid?(:context, value), do: is_pid(value) or valid?(:name, value)
  defp valid?(:name, {kind, _term}), do: is_atom(kind)
  defp valid?(:name, {:via, module, _term}), do: is_atom(module)
  defp valid?(:name, value), do: is_atom(value)
  defp valid?({:in, values}, value), do: value in values

  defp name?(name), do: is_binary(name) or (is_atom(name) and not is_nil(name))
end
