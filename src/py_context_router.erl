%% @doc The pools of contexts from Erlang: the Elixir module `Py.Router'.
-module(py_context_router).

-export([start/0, start/1, stop/0, is_started/0]).
-export([get_context/0, get_context/1, num_contexts/0, num_contexts/1, contexts/0, contexts/1]).
-export([bind_context/1, bind_context/2, unbind_context/0, unbind_context/1]).
-export([start_pool/2, start_pool/3, stop_pool/1, stop_pool/2, pool_started/1]).
-export([resize_pool/2, resize_pool/3]).
-export([register_pool/2, register_pool/3, unregister_pool/1, unregister_pool/2]).
-export([lookup_pool/2, list_pool_registrations/0]).

-import(py_terms, [answer/1, options/1]).

%% A module with all below it, or one function.
-type registration() :: py:name() | {py:name(), py:name()}.

-export_type([registration/0]).

-spec start() -> {ok, [pid()]} | {error, term()}.
start() -> answer('Elixir.Py.Router':start()).

-spec start(#{contexts => pos_integer()}) -> {ok, [pid()]} | {error, term()}.
start(Opts) -> answer('Elixir.Py.Router':start(options(Opts))).

-spec stop() -> ok | {error, term()}.
stop() -> answer('Elixir.Py.Router':stop()).

-spec is_started() -> boolean().
is_started() -> 'Elixir.Py.Router':'started?'().

-spec get_context() -> pid().
get_context() -> 'Elixir.Py.Router':get_context().

-spec get_context(pos_integer() | py:pool()) -> pid().
get_context(IndexOrPool) -> 'Elixir.Py.Router':get_context(IndexOrPool).

-spec num_contexts() -> non_neg_integer().
num_contexts() -> 'Elixir.Py.Router':num_contexts().

-spec num_contexts(py:pool()) -> non_neg_integer().
num_contexts(Pool) -> 'Elixir.Py.Router':num_contexts(Pool).

-spec contexts() -> [pid()].
contexts() -> 'Elixir.Py.Router':contexts().

-spec contexts(py:pool()) -> [pid()].
contexts(Pool) -> 'Elixir.Py.Router':contexts(Pool).

-spec bind_context(py:context()) -> ok | {error, term()}.
bind_context(Ctx) -> answer('Elixir.Py.Router':bind_context(Ctx)).

-spec bind_context(py:pool(), py:context()) -> ok | {error, term()}.
bind_context(Pool, Ctx) -> answer('Elixir.Py.Router':bind_context(Pool, Ctx)).

-spec unbind_context() -> ok.
unbind_context() -> 'Elixir.Py.Router':unbind_context().

-spec unbind_context(py:pool()) -> ok.
unbind_context(Pool) -> 'Elixir.Py.Router':unbind_context(Pool).

-spec start_pool(py:pool(), pos_integer()) -> {ok, [pid()]} | {error, term()}.
start_pool(Pool, Size) -> answer('Elixir.Py.Router':start_pool(Pool, Size)).

%% A mode, or the options `mode' and `max_queue'.
-spec start_pool(py:pool(), pos_integer(), atom() | map()) -> {ok, [pid()]} | {error, term()}.
start_pool(Pool, Size, Mode) when is_atom(Mode) ->
    answer('Elixir.Py.Router':start_pool(Pool, Size, Mode));
start_pool(Pool, Size, Opts) ->
    answer('Elixir.Py.Router':start_pool(Pool, Size, options(Opts))).

-spec stop_pool(py:pool()) -> ok | {error, term()}.
stop_pool(Pool) -> answer('Elixir.Py.Router':stop_pool(Pool)).

-spec stop_pool(py:pool(), #{drain => timeout()}) -> ok | {error, term()}.
stop_pool(Pool, Opts) -> answer('Elixir.Py.Router':stop_pool(Pool, options(Opts))).

-spec resize_pool(py:pool(), pos_integer()) -> ok | {error, term()}.
resize_pool(Pool, Size) -> answer('Elixir.Py.Router':resize_pool(Pool, Size)).

-spec resize_pool(py:pool(), pos_integer(), #{drain => timeout()}) -> ok | {error, term()}.
resize_pool(Pool, Size, Opts) -> answer('Elixir.Py.Router':resize_pool(Pool, Size, options(Opts))).

-spec pool_started(py:pool()) -> boolean().
pool_started(Pool) -> 'Elixir.Py.Router':'pool_started?'(Pool).

-spec register_pool(py:pool(), registration()) -> ok | {error, term()}.
register_pool(Pool, Name) -> answer('Elixir.Py.Router':register_pool(Pool, Name)).

-spec register_pool(py:pool(), py:name(), py:name()) -> ok | {error, term()}.
register_pool(Pool, Module, Function) -> register_pool(Pool, {Module, Function}).

-spec unregister_pool(registration()) -> ok.
unregister_pool(Name) -> 'Elixir.Py.Router':unregister_pool(Name).

-spec unregister_pool(py:name(), py:name()) -> ok.
unregister_pool(Module, Function) -> unregister_pool({Module, Function}).

-spec lookup_pool(py:name(), py:name()) -> py:pool().
lookup_pool(Module, Function) -> 'Elixir.Py.Router':lookup_pool(Module, Function).

%% Names are binaries: `{<<"requests">>, io}' or `{{<<"aiohttp">>, <<"get">>}, io}'.
-spec list_pool_registrations() -> [{binary() | {binary(), binary()}, py:pool()}].
list_pool_registrations() -> 'Elixir.Py.Router':list_pool_registrations().
