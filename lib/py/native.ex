defmodule Py.Native do
  @moduledoc false

  # The NIFs, each named noun_verb. All of them return at once: what takes longer answers later
  # with one message `{tag, answer}` to the process that asked. `Py.Runtime` loads them once per
  # VM; before that every one raises a `Py.StartError`.
  #
  # What Python says while nobody waits for it goes to the process registered as `Py.Attendant`,
  # which lists those messages. A context's own process is told `{:interrupting, id}` when one of
  # its requests is about to be stopped.

  @not_started %Py.StartError{reason: :not_started}

  @type tag :: reference
  @type slots :: tuple
  @type target :: pid | {slots, index0 :: non_neg_integer} | reference | callback
  @type scope :: :context | :fresh | reference
  @type format :: :term | :object | :json | :erlang
  @type kind ::
          :call
          | :timed_call
          | :inline
          | {:spawn | :timed_spawn, leader :: pid}
          | {:task, leader :: pid, info :: term, timeout}
          | {:cast, leader :: pid, routed? :: boolean | (info :: map)}
  @type ticket :: reference
  @type callback :: reference
  @type op :: tuple
  @type reason ::
          {:raised, description :: map, Py.Object.t() | nil}
          | {:conversion, map}
          | {:context, Py.ContextError.reason()}

  @typedoc "Python's answer; a schedule asks the caller to run that function for the value"
  @type answer ::
          {:ok, term} | {:error, reason} | {:schedule, Py.Callback.target(), args :: list}

  @typedoc "How long what was asked to be timed took, in nanoseconds, and where it ran"
  @type times ::
          {queue :: non_neg_integer, convert :: non_neg_integer, run :: non_neg_integer, pid}

  @typedoc "What a waiting caller may be told before the answer, in this order"
  @type interim ::
          {:callback, callback, context :: pid, Py.Callback.target(), args :: list}
          | {:output, :stdout | :stderr, binary}
          | {:log, Logger.level(), binary, metadata :: map}

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
  def runtime_start(_config, _tag), do: :erlang.nif_error(@not_started)

  @doc "What this library knows about its Python and about the contexts open now."
  @spec runtime_info() :: map
  def runtime_info, do: :erlang.nif_error(@not_started)

  @doc "Makes the calling process a context; the message is `{tag, :ok | {:error, text}}`."
  @spec context_open(mode :: atom, config :: map, tag) :: :ok | {:error, String.t()}
  def context_open(_mode, _config, _tag), do: :erlang.nif_error(@not_started)

  @doc "Closes the context of that process; the message is `{tag, :closed}`."
  @spec context_close(pid, tag) :: :ok | {:error, :not_found}
  def context_close(_context, _tag), do: :erlang.nif_error(@not_started)

  @doc "Mode, interpreter and counters of the context of that process."
  @spec context_info(pid) :: {:ok, map} | {:error, :not_found}
  def context_info(_context), do: :erlang.nif_error(@not_started)

  @doc "The pids of all contexts of this node that are open or about to be."
  @spec context_list() :: [pid]
  def context_list, do: :erlang.nif_error(@not_started)

  @doc "Who asked for what runs there now, and what that is: an operation without its arguments."
  @spec context_operation(pid) :: {caller :: pid, tuple | atom} | nil
  def context_operation(_context), do: :erlang.nif_error(@not_started)

  @doc "The Python stack there; the message is `{tag, {:ok, text} | :busy | :closed}`, if it comes."
  @spec context_stack(pid, tag) :: :ok | :closed
  def context_stack(_context, _tag), do: :erlang.nif_error(@not_started)

  @doc "Whether Python code is to report its spans."
  @spec tracing_set(boolean) :: :ok
  def tracing_set(_on), do: :erlang.nif_error(@not_started)

  @doc "The level of Python's root loggers, by its number; `nil` leaves it to Python."
  @spec log_level_set(non_neg_integer | nil) :: :ok
  def log_level_set(_level), do: :erlang.nif_error(@not_started)

  @doc "Stops what runs there, whose caller is answered `:interrupted`."
  @spec context_interrupt(pid) :: :interrupting | :idle | {:error, :not_found}
  def context_interrupt(_context), do: :erlang.nif_error(@not_started)

  @doc "Closes a context without waiting, and counts its thread as abandoned until that ends."
  @spec context_abandon(pid) :: :ok
  def context_abandon(_context), do: :erlang.nif_error(@not_started)

  @doc "Makes the calling process a reactor."
  @spec reactor_open(config :: map) :: :ok | {:error, :inet.posix()}
  def reactor_open(_config), do: :erlang.nif_error(@not_started)

  @doc "Hands a descriptor to the reactor of that process, or to the least busy shared one."
  @spec reactor_handoff(pid | :any | nil, fd :: integer, info :: term) ::
          :ok | {:error, Py.Reactor.reason()}
  def reactor_handoff(_reactor, _fd, _info), do: :erlang.nif_error(@not_started)

  @doc "Counters of the reactor of that process."
  @spec reactor_stats(pid) :: {:ok, map} | {:error, :closed}
  def reactor_stats(_reactor), do: :erlang.nif_error(@not_started)

  @doc "Stops the reactor of that process; the request in which it runs then ends."
  @spec reactor_close(pid) :: :ok
  def reactor_close(_reactor), do: :erlang.nif_error(@not_started)

  @doc "Another descriptor for the same file."
  @spec fd_duplicate(fd :: integer) :: {:ok, non_neg_integer} | {:error, :inet.posix()}
  def fd_duplicate(_fd), do: :erlang.nif_error(@not_started)

  @doc "The functions that Python may call by name, in place of those from before."
  @spec functions_set([{binary, Py.Callback.Registry.entry()}]) :: :ok
  def functions_set(_functions), do: :erlang.nif_error(@not_started)

  @doc "A private namespace. It belongs to the first context it is used in."
  @spec namespace_new() :: reference
  def namespace_new, do: :erlang.nif_error(@not_started)

  @doc "What is kept under a key of the shared state."
  @spec state_fetch(term) :: {:ok, term} | :error
  def state_fetch(_key), do: :erlang.nif_error(@not_started)

  @doc "Keeps a copy of a value under a key of the shared state."
  @spec state_store(term, term) :: :ok
  def state_store(_key, _value), do: :erlang.nif_error(@not_started)

  @doc "Forgets a key of the shared state."
  @spec state_remove(term) :: :ok
  def state_remove(_key), do: :erlang.nif_error(@not_started)

  @doc "Adds to an integer of the shared state, or to 0."
  @spec state_add(term, integer) :: {:ok, integer} | {:error, :not_an_integer | :overflow}
  def state_add(_key, _by), do: :erlang.nif_error(@not_started)

  @doc "The keys of the shared state; the message is `{tag, keys}`."
  @spec state_keys(tag) :: :ok
  def state_keys(_tag), do: :erlang.nif_error(@not_started)

  @doc "Forgets all of the shared state."
  @spec state_clear() :: :ok
  def state_clear, do: :erlang.nif_error(@not_started)

  @doc """
  Hands an operation to a context, or to the worker that waits in a callback.

  An answer may come at once. `{:wait, ticket}` promises it to `request_expect/2` and
  `request_fetch/3`; the request is stopped when nobody holds the ticket any more.
  `{:unopened, index}` asks to open that slot and to submit again; `:remote` says that the context
  lives on another node; `:ok` is all that a cast answers. The ticket of a task is what its
  message `{:async_result, ticket, {:ok, value}}` has, and is held for it. With a kind that is
  timed, the answer that a worker gives comes as `{:timed, times, answer}`.

  With kind `:inline` an idle context's worker gives up its place to the calling scheduler for
  this one request. `{:slow, microseconds, others, answer}` says that it took too long for that,
  and how many others on this scheduler had not since the last that did.
  """
  @spec request_submit(target, op, scope, format, kind) ::
          answer
          | {:timed, times, answer}
          | {:wait, ticket}
          | {:unopened, non_neg_integer}
          | :remote
          | {:slow, microseconds :: pos_integer, others :: non_neg_integer,
             answer | {:wait, ticket}}
          | :ok
  def request_submit(_target, _op, _scope, _format, _kind), do: :erlang.nif_error(@not_started)

  @doc """
  The answer, if it is there by now. For the process that has submitted the request, once.

  Otherwise `:wait`: it comes as one message `{tag, answer}`, with kind `:call` after any number of
  interim ones.
  """
  @spec request_expect(ticket, tag) :: answer | {:timed, times, answer} | :wait
  def request_expect(_ticket, _tag), do: :erlang.nif_error(@not_started)

  @doc """
  The same, but it may look for some microseconds whether the answer comes.

  For so long it keeps the scheduler, at the expense of the process's time slice. It does if such
  answers have come in time lately, and none or many `others` wait for each scheduler; with many,
  only for a context that sleeps.
  """
  @spec request_fetch(ticket, tag, others :: non_neg_integer) ::
          answer | {:timed, times, answer} | :wait
  def request_fetch(_ticket, _tag, _others), do: :erlang.nif_error(@not_started)

  @doc "May look for some microseconds whether that task is done; anything may be a ticket here."
  @spec request_look(ticket) :: :ok
  def request_look(_ticket), do: :erlang.nif_error(@not_started)

  @doc """
  Stops a request that nobody waits for any more.

  `:replied` means that its message is in the mailbox or on its way, to be received.
  """
  @spec request_cancel(ticket) :: :cancelled | :replied
  def request_cancel(_ticket), do: :erlang.nif_error(@not_started)

  @doc "Gives Python what a callback came to; `:gone` when it has stopped waiting."
  @spec callback_reply(callback, Py.Callback.reply()) :: :ok | :gone
  def callback_reply(_callback, _reply), do: :erlang.nif_error(@not_started)

  @typedoc "What waits for room or for a message; given up when nobody holds it any more"
  @type waiter :: reference

  @doc "An empty channel that lives as long as `owner`; `nil` is no limit."
  @spec channel_new(:term | :bytes, max_size :: pos_integer | nil, owner :: pid) :: Py.Channel.t()
  def channel_new(_type, _max_size, _owner), do: :erlang.nif_error(@not_started)

  @doc """
  Sends a message; `:encode` if there are structs in it that `Py.Encoder` is to encode first.

  Of a channel on another node, this and all others answer `:remote`.
  """
  @spec channel_send(reference, term, encoded? :: boolean) ::
          :ok | :busy | {:error, :closed} | :encode | :remote
  def channel_send(_channel, _term, _encoded?), do: :erlang.nif_error(@not_started)

  @doc "The same, but instead of `:busy` it is `{:wait, waiter}`; `{tag, answer}` follows."
  @spec channel_send_later(reference, term, encoded? :: boolean, tag) ::
          :ok | {:wait, waiter} | {:error, :closed} | :encode | :remote
  def channel_send_later(_channel, _term, _encoded?, _tag), do: :erlang.nif_error(@not_started)

  @doc "The next message, if there is one."
  @spec channel_take(reference) :: {:ok, term} | :empty | {:error, :closed} | :remote
  def channel_take(_channel), do: :erlang.nif_error(@not_started)

  @doc "The same, but instead of `:empty` it is `{:wait, waiter}`; `{tag, answer}` follows."
  @spec channel_receive(reference, tag) ::
          {:ok, term} | {:wait, waiter} | {:error, :closed} | :remote
  def channel_receive(_channel, _tag), do: :erlang.nif_error(@not_started)

  @doc "No longer waits. `:replied` means that the answer is in the mailbox."
  @spec channel_cancel(waiter) :: :cancelled | :replied
  def channel_cancel(_waiter), do: :erlang.nif_error(@not_started)

  @doc """
  Messages come as `{:py_channel, tag, {:data, term}}`, then `{:py_channel, tag, :closed}`.

  A demand of `nil` is all of them. What is queued by then comes by `channel_feed/1`.
  """
  @spec channel_subscribe(reference, tag, demand :: pos_integer | nil) :: :ok | :remote
  def channel_subscribe(_channel, _tag, _demand), do: :erlang.nif_error(@not_started)

  @doc "Sends subscribers some of what is queued; `:more` asks to be called again."
  @spec channel_feed(reference) :: :ok | :more | :remote
  def channel_feed(_channel), do: :erlang.nif_error(:not_loaded)

  @doc "More messages for a subscriber, or all with `nil`; `channel_feed/1` is to follow."
  @spec channel_ask(reference, tag, more :: pos_integer | nil) ::
          :ok | {:error, :not_found} | :remote
  def channel_ask(_channel, _tag, _more), do: :erlang.nif_error(@not_started)

  @doc "Ends a subscription."
  @spec channel_unsubscribe(reference, tag) :: :ok | {:error, :not_found} | :remote
  def channel_unsubscribe(_channel, _tag), do: :erlang.nif_error(@not_started)

  @doc "Lets nothing more in."
  @spec channel_close(reference) :: :ok | :remote
  def channel_close(_channel), do: :erlang.nif_error(@not_started)

  @doc "How many channels, messages, bytes, and bytes in the fullest one, there are on this node."
  @spec channel_census() :: {non_neg_integer, non_neg_integer, non_neg_integer, non_neg_integer}
  def channel_census, do: :erlang.nif_error(@not_started)

  @doc "How it is; see `Py.Channel.info/1`."
  @spec channel_info(reference) :: map | :remote
  def channel_info(_channel), do: :erlang.nif_error(@not_started)
end
