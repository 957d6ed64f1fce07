defmodule Py.Native do
  @moduledoc false

  # The NIFs, each named noun_verb. All of them return at once: what takes longer answers later
  # with one message `{tag, answer}` to the process that asked. `Py.Runtime` loads them once per
  # VM; before that every one raises `:not_loaded`.

  @type tag :: reference
  @type slots :: tuple
  @type target :: pid | {slots, index0 :: non_neg_integer} | reference
  @type scope :: :context | :fresh | reference
  @type format :: :term | :object | :erlang
  @type kind :: :call | :spawn | :cast
  @type ticket :: reference
  @type op :: tuple
  @type reason ::
          {:raised, description :: map, Py.Object.t() | nil}
          | {:conversion, map}
          | {:context, Py.ContextError.reason()}

  @doc """
  Loads the library at `path` (without its extension) into this module.

  A library that is already there stays: replacing it would mean a second Python runtime.
  """
  @spec load(Path.t()) :: :ok | {:error, String.t()}
  def load(path) do
    case :erlang.load_nif(String.to_charlist(path), 0) do
      :ok -> :ok
      {:error, {:reload, _text}} -> :ok
      {:error, {_reason, text}} -> {:error, to_string(text)}
    end
  end

  @doc "Initialises Python; the message is `{tag, :ok | {:error, text}}`. Twice is once."
  @spec runtime_start(config :: map, tag) :: :ok
  def runtime_start(_config, _tag), do: :erlang.nif_error(:not_loaded)

  @doc "What this library knows about its Python and about the contexts open now."
  @spec runtime_info() :: map
  def runtime_info, do: :erlang.nif_error(:not_loaded)

  @doc "Makes the calling process a context; the message is `{tag, :ok | {:error, text}}`."
  @spec context_open(mode :: atom, config :: map, tag) :: :ok
  def context_open(_mode, _config, _tag), do: :erlang.nif_error(:not_loaded)

  @doc "Closes the context of that process; the message is `{tag, :closed}`."
  @spec context_close(pid, tag) :: :ok | {:error, :not_found}
  def context_close(_context, _tag), do: :erlang.nif_error(:not_loaded)

  @doc "Mode, interpreter and counters of the context of that process."
  @spec context_info(pid) :: {:ok, map} | {:error, :not_found}
  def context_info(_context), do: :erlang.nif_error(:not_loaded)

  @doc "A private namespace. It belongs to the first context it is used in."
  @spec namespace_new() :: reference
  def namespace_new, do: :erlang.nif_error(:not_loaded)

  @doc """
  Hands an operation to a context.

  `{:ok, value}` and `{:error, reason}` are the answer; `{:wait, ticket}` promises exactly one
  message `{tag, {:ok, value} | {:error, reason}}`; `{:unopened, index}` asks to open that slot
  and to submit again; `:remote` says that the context lives on another node.
  """
  @spec request_submit(target, op, scope, tag, format, kind) ::
          {:ok, term}
          | {:error, reason}
          | {:wait, ticket}
          | {:unopened, non_neg_integer}
          | :remote
          | :ok
  def request_submit(_target, _op, _scope, _tag, _format, _kind),
    do: :erlang.nif_error(:not_loaded)

  @doc """
  Stops a request that nobody waits for any more.

  `:replied` means that its message is in the mailbox or on its way, to be received.
  """
  @spec request_cancel(ticket) :: :cancelled | :replied
  def request_cancel(_ticket), do: :erlang.nif_error(:not_loaded)
end
