%% @doc Python from Erlang: the verbs of the Elixir module `Py', with results and errors in the
%% shapes Erlang expects. See {@link py_terms} for those.
-module(py).

-export([call/3, call/4, call/5, eval/1, eval/2, eval/3, exec/1, exec/2]).
-export([spawn_call/3, spawn_call/4, spawn_call/5, await/1, await/2, cancel/1]).
-export([cast/3, cast/4, parallel/1]).
-export([async_call/3, async_call/4, async_await/1, async_await/2, async_gather/1]).
-export([stream/3, stream/4, stream_eval/1, stream_eval/2]).
-export([stream_start/3, stream_start/4, stream_cancel/1]).
-export([register_function/2, register_function/3, unregister_function/1]).
-export([call_method/3, getattr/2, to_term/1, is_ref/1]).
-export([bytes/1, buffer/1, json/1]).
-export([dup_fd/1]).
-export([context/0, context/1, start_contexts/0, start_contexts/1, stop_contexts/0,
         contexts_started/0]).
-export([register_pool/2, unregister_pool/1]).
-export([state_fetch/1, state_store/2, state_remove/1, state_keys/0, state_clear/0]).
-export([state_incr/1, state_incr/2, state_decr/1, state_decr/2]).
-export([ensure_venv/2, ensure_venv/3, activate_venv/1, deactivate_venv/0, venv_info/0]).
-export([reload/1]).
-export([configure_logging/0, configure_logging/1]).
-export([enable_tracing/0, disable_tracing/0, get_traces/0, clear_traces/0]).
-export([memory_stats/0, gc/0, gc/1]).
-export([tracemalloc_start/0, tracemalloc_start/1, tracemalloc_stop/0]).
-export([version/0, execution_mode/0, subinterp_supported/0, info/0]).

-import(py_terms, [answer/1, keys/1, name/1, options/1, requirements/1, text/1]).

-type context() :: pid() | atom() | pos_integer().
-type pool() :: atom().
-type name() :: atom() | binary() | string().
-type code() :: binary() | string().
-type kwargs() :: #{name() => term()} | [{name(), term()}].
-type answer() :: {ok, term()} | {error, term()}.

-export_type([context/0, pool/0, name/0, code/0, kwargs/0, answer/0]).

%% Calls. A pid in front names the context, an atom the pool or a registered context; without
%% one the router chooses. With an atom in front, the list of arguments tells `(Ctx, M, F, Args)'
%% from `(M, F, Args, Kwargs)'. The fifth argument has keyword arguments where a pool is named,
%% and options where a context is.

-spec call(name(), name(), list()) -> answer().
call(M, F, Args) -> request(M, F, Args, []).

-spec call(context() | pool() | name(), name(), name() | list(), list() | kwargs()) -> answer().
call(Ctx, M, F, Args) when is_pid(Ctx) -> request(M, F, Args, [{context, Ctx}]);
call(M, F, Args, Kwargs) when is_list(Args) -> request(M, F, Args, [{kwargs, Kwargs}]);
call(Place, M, F, Args) -> request(M, F, Args, [place(Place)]).

-spec call(
    context() | pool() | name(), name(), name() | list(), list() | kwargs(), map() | timeout()
) -> answer().
call(Place, M, F, Args, KwargsOrOpts) when is_pid(Place); is_map(KwargsOrOpts); is_list(KwargsOrOpts) ->
    request(M, F, Args, placed(place(Place), KwargsOrOpts));
call(M, F, Args, Kwargs, Timeout) ->
    request(M, F, Args, [{kwargs, Kwargs}, {timeout, Timeout}]).

-spec eval(code()) -> answer().
eval(Code) -> evaluate(Code, #{}, []).

-spec eval(code(), map()) -> answer(); (context() | pool(), code()) -> answer().
eval(Code, Locals) when is_map(Locals) -> evaluate(Code, Locals, []);
eval(Place, Code) -> evaluate(Code, #{}, [place(Place)]).

-spec eval(context() | pool(), code(), map()) -> answer(); (code(), map(), timeout()) -> answer().
eval(Place, Code, Locals) when is_map(Locals) -> evaluate(Code, Locals, [place(Place)]);
eval(Code, Locals, Timeout) -> evaluate(Code, Locals, [{timeout, Timeout}]).

-spec exec(code()) -> ok | {error, term()}.
exec(Code) -> executed(Code, []).

-spec exec(context() | pool(), code()) -> ok | {error, term()}.
exec(Place, Code) -> executed(Code, [place(Place)]).

%% Calls that are not waited for. The forms are those of `call'.

-spec spawn_call(name(), name(), list()) -> reference().
spawn_call(M, F, Args) -> spawned(M, F, Args, []).

-spec spawn_call(context() | pool() | name(), name(), name() | list(), list() | kwargs()) ->
    reference().
spawn_call(M, F, Args, Kwargs) when is_list(Args), not is_pid(M) ->
    spawned(M, F, Args, [{kwargs, Kwargs}]);
spawn_call(Place, M, F, Args) -> spawned(M, F, Args, [place(Place)]).

-spec spawn_call(
    context() | pool() | name(), name(), name() | list(), list() | kwargs(), map() | timeout()
) -> reference().
spawn_call(Place, M, F, Args, KwargsOrOpts) when is_pid(Place); is_map(KwargsOrOpts); is_list(KwargsOrOpts) ->
    spawned(M, F, Args, placed(place(Place), KwargsOrOpts));
spawn_call(M, F, Args, Kwargs, Timeout) ->
    spawned(M, F, Args, [{kwargs, Kwargs}, {timeout, Timeout}]).

-spec await(reference()) -> answer().
await(Ref) -> answer('Elixir.Py':await(Ref)).

-spec await(reference(), timeout()) -> answer().
await(Ref, Timeout) -> answer('Elixir.Py':await(Ref, Timeout)).

-spec cancel(reference()) -> ok | {error, term()}.
cancel(Ref) -> answer('Elixir.Py':cancel(Ref)).

-spec cast(name(), name(), list()) -> ok | {error, term()}.
cast(M, F, Args) -> casted(M, F, Args, []).

-spec cast(context() | pool() | name(), name(), name() | list(), list() | kwargs()) ->
    ok | {error, term()}.
cast(M, F, Args, Kwargs) when is_list(Args), not is_pid(M) -> casted(M, F, Args, [{kwargs, Kwargs}]);
cast(Place, M, F, Args) -> casted(M, F, Args, [place(Place)]).

-spec parallel([{name(), name(), list()}]) -> {ok, [answer()]}.
parallel(Calls) -> {ok, together(parallel, Calls)}.

%% The same for coroutine functions; see {@link py_event_loop} for results that come as messages.

-spec async_call(name(), name(), list()) -> reference().
async_call(M, F, Args) -> spawn_call(M, F, Args).

-spec async_call(context() | pool() | name(), name(), name() | list(), list() | kwargs()) ->
    reference().
async_call(Place, M, F, Args) -> spawn_call(Place, M, F, Args).

-spec async_await(reference()) -> answer().
async_await(Ref) -> await(Ref).

-spec async_await(reference(), timeout()) -> answer().
async_await(Ref, Timeout) -> await(Ref, Timeout).

-spec async_gather([{name(), name(), list()}]) -> {ok, [answer()]}.
async_gather(Calls) -> {ok, together(gather, Calls)}.

%% Streams. The first two collect; those of `stream_start' come as messages
%% `{py_stream, Ref, {data, Item} | done | {error, Reason}}'.

-spec stream(name(), name(), list()) -> {ok, list()} | {error, term()}.
stream(M, F, Args) -> stream(M, F, Args, #{}).

-spec stream(name(), name(), list(), kwargs()) -> {ok, list()} | {error, term()}.
stream(M, F, Args, Kwargs) ->
    collect('Elixir.Py.Request':stream(name(M), name(F), Args, [{kwargs, Kwargs}], erlang)).

-spec stream_eval(code()) -> {ok, list()} | {error, term()}.
stream_eval(Code) -> stream_eval(Code, #{}).

-spec stream_eval(code(), map()) -> {ok, list()} | {error, term()}.
stream_eval(Code, Locals) ->
    collect('Elixir.Py.Request':stream_eval(text(Code), Locals, [], erlang)).

-spec stream_start(name(), name(), list()) -> {ok, reference()}.
stream_start(M, F, Args) -> stream_start(M, F, Args, #{}).

%% The options are `owner', `window', `kwargs', `timeout', `context' and `pool'.
-spec stream_start(name(), name(), list(), map()) -> {ok, reference()}.
stream_start(M, F, Args, Opts) ->
    Shape = fun py_terms:event/1,
    {ok, 'Elixir.Py.Request':stream_start(name(M), name(F), Args, options(Opts), erlang, Shape)}.

-spec stream_cancel(reference()) -> ok.
stream_cancel(Ref) -> 'Elixir.Py':stream_cancel(Ref).

%% Functions for Python. One of arity 1 gets the list of arguments.

-spec register_function(name(), fun()) -> ok | {error, term()}.
register_function(Name, Fun) -> answer('Elixir.Py':register_function(name(Name), Fun)).

-spec register_function(name(), module(), atom()) -> ok | {error, term()}.
register_function(Name, M, F) -> answer('Elixir.Py':register_function(name(Name), M, F)).

-spec unregister_function(name()) -> ok | {error, term()}.
unregister_function(Name) -> answer('Elixir.Py':unregister_function(name(Name))).

%% Objects.

-spec call_method(map(), name(), list()) -> answer().
call_method(Ref, Method, Args) -> request(Ref, Method, Args, []).

-spec getattr(map(), name()) -> answer().
getattr(Ref, Name) -> answer('Elixir.Py.Request':object(Ref, {getattr, Ref, name(Name)}, erlang)).

-spec to_term(map()) -> answer().
to_term(Ref) -> answer('Elixir.Py.Request':object(Ref, {to_term, Ref}, erlang)).

-spec is_ref(term()) -> boolean().
is_ref(Term) -> is_map(Term) andalso maps:get('__struct__', Term, none) =:= 'Elixir.Py.Object'.

%% Values: a binary that is to be `bytes', one that Python reads in place, and JSON that is to be
%% what it says.

-spec bytes(binary()) -> {bytes, binary()}.
bytes(Binary) -> 'Elixir.Py':bytes(Binary).

-spec buffer(binary()) -> map().
buffer(Binary) -> 'Elixir.Py':buffer(Binary).

-spec json(iodata()) -> map().
json(Text) -> 'Elixir.Py':json(Text).

%% Descriptors: see {@link py_reactor_context}.

-spec dup_fd(non_neg_integer()) -> {ok, non_neg_integer()} | {error, inet:posix()}.
dup_fd(Fd) -> 'Elixir.Py':dup_fd(Fd).

%% Contexts.

-spec context() -> pid().
context() -> 'Elixir.Py':context().

-spec context(pos_integer()) -> pid().
context(Index) -> 'Elixir.Py':context(Index).

-spec start_contexts() -> {ok, [pid()]} | {error, term()}.
start_contexts() -> answer('Elixir.Py':start_contexts()).

-spec start_contexts(map()) -> {ok, [pid()]} | {error, term()}.
start_contexts(Opts) -> answer('Elixir.Py':start_contexts(options(Opts))).

-spec stop_contexts() -> ok | {error, term()}.
stop_contexts() -> answer('Elixir.Py':stop_contexts()).

-spec contexts_started() -> boolean().
contexts_started() -> 'Elixir.Py':'contexts_started?'().

%% Pools: see {@link py_context_router}.

-spec register_pool(pool(), py_context_router:registration()) -> ok | {error, term()}.
register_pool(Pool, Name) -> py_context_router:register_pool(Pool, Name).

-spec unregister_pool(py_context_router:registration()) -> ok.
unregister_pool(Name) -> py_context_router:unregister_pool(Name).

%% Shared state.

-spec state_fetch(term()) -> {ok, term()} | {error, not_found}.
state_fetch(Key) -> py_terms:found('Elixir.Py.State':fetch(Key)).

-spec state_store(term(), term()) -> ok.
state_store(Key, Value) -> 'Elixir.Py.State':store(Key, Value).

-spec state_remove(term()) -> ok.
state_remove(Key) -> 'Elixir.Py.State':remove(Key).

-spec state_keys() -> [term()].
state_keys() -> 'Elixir.Py.State':keys().

-spec state_clear() -> ok.
state_clear() -> 'Elixir.Py.State':clear().

-spec state_incr(term()) -> integer().
state_incr(Key) -> 'Elixir.Py.State':incr(Key).

-spec state_incr(term(), integer()) -> integer().
state_incr(Key, By) -> 'Elixir.Py.State':incr(Key, By).

-spec state_decr(term()) -> integer().
state_decr(Key) -> 'Elixir.Py.State':decr(Key).

-spec state_decr(term(), integer()) -> integer().
state_decr(Key, By) -> 'Elixir.Py.State':decr(Key, By).

%% Virtual environments. The requirements are the path of a requirements.txt or pyproject.toml, or
%% a list of lines; the options are `{installer, pip | uv}', `force', `quiet' and `{activate, false}'.

-spec ensure_venv(code(), code() | [code()]) -> ok | {error, term()}.
ensure_venv(Path, Requirements) -> ensure_venv(Path, Requirements, []).

-spec ensure_venv(code(), code() | [code()], proplists:proplist()) -> ok | {error, term()}.
ensure_venv(Path, Requirements, Opts) ->
    Wanted = requirements(Requirements),
    answer('Elixir.Py.Venv':ensure(text(Path), Wanted, proplists:unfold(Opts))).

-spec activate_venv(code()) -> ok | {error, term()}.
activate_venv(Path) -> answer('Elixir.Py.Venv':activate(text(Path))).

-spec deactivate_venv() -> ok | {error, term()}.
deactivate_venv() -> answer('Elixir.Py.Venv':deactivate()).

-spec venv_info() -> {ok, #{binary() => boolean() | binary() | none}}.
venv_info() -> keys('Elixir.Py.Venv':info()).

%% Modules.

-spec reload(name()) -> {ok, [binary()]} | {error, term()}.
reload(Module) -> answer('Elixir.Py':reload(name(Module))).

%% Memory.

-spec memory_stats() -> {ok, map()} | {error, term()}.
memory_stats() -> answer('Elixir.Py':memory_stats()).

-spec gc() -> {ok, non_neg_integer()} | {error, term()}.
gc() -> answer('Elixir.Py':gc()).

-spec gc(0..2) -> {ok, non_neg_integer()} | {error, term()}.
gc(Generation) -> answer('Elixir.Py':gc(Generation)).

-spec tracemalloc_start() -> ok | {error, term()}.
tracemalloc_start() -> answer('Elixir.Py':tracemalloc_start()).

-spec tracemalloc_start(pos_integer()) -> ok | {error, term()}.
tracemalloc_start(Frames) -> answer('Elixir.Py':tracemalloc_start(Frames)).

-spec tracemalloc_stop() -> ok | {error, term()}.
tracemalloc_stop() -> answer('Elixir.Py':tracemalloc_stop()).

%% Logs and traces.

-spec configure_logging() -> ok.
configure_logging() -> 'Elixir.Py.Logger':configure([]).

-spec configure_logging(#{level => logger:level() | all | none}) -> ok.
configure_logging(Opts) -> 'Elixir.Py.Logger':configure(options(Opts)).

-spec enable_tracing() -> ok.
enable_tracing() -> 'Elixir.Py.Tracer':enable([]).

-spec disable_tracing() -> ok.
disable_tracing() -> 'Elixir.Py.Tracer':disable().

%% Each a map as `Py.Tracer' has it, with `none' where there is nothing.
-spec get_traces() -> {ok, [map()]}.
get_traces() -> {ok, [py_terms:fields(Span) || Span <- 'Elixir.Py.Tracer':spans()]}.

-spec clear_traces() -> ok.
clear_traces() -> 'Elixir.Py.Tracer':clear().

%% Facts.

-spec version() -> {ok, binary()}.
version() -> {ok, 'Elixir.Py':version()}.

-spec execution_mode() -> subinterp | free_threaded | multi_executor | worker.
execution_mode() -> 'Elixir.Py':execution_mode().

-spec subinterp_supported() -> boolean().
subinterp_supported() -> 'Elixir.Py':'subinterp_supported?'().

%% The map of `Py.info/0', with `none' where there is nothing.
-spec info() -> map().
info() -> py_terms:fields('Elixir.Py':info()).

%% An atom is a pool, or else the registered name of a context.
place(Name) when is_atom(Name) ->
    case 'Elixir.Py.Router':'pool_started?'(Name) of
        true -> {pool, Name};
        false -> {context, Name}
    end;
place(Context) ->
    {context, Context}.

placed({pool, Pool}, Kwargs) -> [{pool, Pool}, {kwargs, Kwargs}];
placed(Context, Opts) -> [Context | options(Opts)].

request(M, F, Args, Opts) ->
    answer('Elixir.Py.Request':call(name(M), name(F), Args, Opts, erlang)).

evaluate(Code, Locals, Opts) ->
    answer('Elixir.Py.Request':eval(text(Code), Locals, Opts, erlang)).

executed(Code, Opts) ->
    answer('Elixir.Py.Request':exec(text(Code), Opts, erlang)).

spawned(M, F, Args, Opts) ->
    'Elixir.Py.Request':spawn_call(name(M), name(F), Args, Opts, erlang).

casted(M, F, Args, Opts) ->
    answer('Elixir.Py.Request':cast(name(M), name(F), Args, Opts, erlang)).

together(Verb, Calls) ->
    Named = [{name(M), name(F), Args} || {M, F, Args} <- Calls],
    [answer(Result) || Result <- 'Elixir.Py.Request':Verb(Named, [], erlang)].

%% A stream raises what goes wrong.
collect(Stream) ->
    try
        {ok, 'Elixir.Enum':to_list(Stream)}
    catch
        error:#{'__exception__' := true} = Exception -> answer({error, Exception})
    end.
