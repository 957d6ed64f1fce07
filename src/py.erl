%% @doc Python from Erlang: the verbs of the Elixir module `Py', with results and errors in the
%% shapes Erlang expects. See {@link py_terms} for those.
-module(py).

-export([call/3, call/4, call/5, eval/1, eval/2, eval/3, exec/1, exec/2]).
-export([call_method/3, getattr/2, to_term/1, is_ref/1]).
-export([context/0, context/1, start_contexts/0, start_contexts/1, stop_contexts/0,
         contexts_started/0]).
-export([register_pool/2, unregister_pool/1]).
-export([version/0, execution_mode/0, subinterp_supported/0]).

-import(py_terms, [answer/1, name/1, options/1, text/1]).

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
    case place(Place) of
        {pool, Pool} -> request(M, F, Args, [{pool, Pool}, {kwargs, KwargsOrOpts}]);
        Context -> request(M, F, Args, [Context | options(KwargsOrOpts)])
    end;
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
exec(Code) -> answer('Elixir.Py.Request':exec(text(Code), [])).

-spec exec(context() | pool(), code()) -> ok | {error, term()}.
exec(Place, Code) -> answer('Elixir.Py.Request':exec(text(Code), [place(Place)])).

%% Objects.

-spec call_method(map(), name(), list()) -> answer().
call_method(Ref, Method, Args) -> request(Ref, Method, Args, []).

-spec getattr(map(), name()) -> answer().
getattr(Ref, Name) -> answer('Elixir.Py.Request':object(Ref, {getattr, Ref, name(Name)}, erlang)).

-spec to_term(map()) -> answer().
to_term(Ref) -> answer('Elixir.Py.Request':object(Ref, {to_term, Ref}, erlang)).

-spec is_ref(term()) -> boolean().
is_ref(Term) -> is_map(Term) andalso maps:get('__struct__', Term, none) =:= 'Elixir.Py.Object'.

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

%% Facts.

-spec version() -> {ok, binary()}.
version() -> {ok, 'Elixir.Py':version()}.

-spec execution_mode() -> subinterp | free_threaded | multi_executor | worker.
execution_mode() -> 'Elixir.Py':execution_mode().

-spec subinterp_supported() -> boolean().
subinterp_supported() -> 'Elixir.Py':'subinterp_supported?'().

%% An atom is a pool, or else the registered name of a context.
place(Name) when is_atom(Name) ->
    case 'Elixir.Py.Router':'pool_started?'(Name) of
        true -> {pool, Name};
        false -> {context, Name}
    end;
place(Context) ->
    {context, Context}.

request(M, F, Args, Opts) ->
    answer('Elixir.Py.Request':call(name(M), name(F), Args, Opts, erlang)).

evaluate(Code, Locals, Opts) ->
    answer('Elixir.Py.Request':eval(text(Code), Locals, Opts, erlang)).
