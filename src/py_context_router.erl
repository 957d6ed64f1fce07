%% @doc The pool of contexts from Erlang: the Elixir module `Py.Router'.
-module(py_context_router).

-export([start/0, start/1, stop/0, is_started/0]).
-export([get_context/0, get_context/1, num_contexts/0, num_contexts/1, contexts/0, contexts/1]).
-export([bind_context/1, bind_context/2, unbind_context/0, unbind_context/1]).

-import(py_terms, [answer/1, options/1]).

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

-spec get_context(pos_integer() | default) -> pid().
get_context(Index) -> 'Elixir.Py.Router':get_context(Index).

-spec num_contexts() -> non_neg_integer().
num_contexts() -> 'Elixir.Py.Router':num_contexts().

-spec num_contexts(default) -> non_neg_integer().
num_contexts(Pool) -> 'Elixir.Py.Router':num_contexts(Pool).

-spec contexts() -> [pid()].
contexts() -> 'Elixir.Py.Router':contexts().

-spec contexts(default) -> [pid()].
contexts(Pool) -> 'Elixir.Py.Router':contexts(Pool).

-spec bind_context(py:context()) -> ok | {error, term()}.
bind_context(Ctx) -> answer('Elixir.Py.Router':bind_context(Ctx)).

-spec bind_context(default, py:context()) -> ok | {error, term()}.
bind_context(Pool, Ctx) -> answer('Elixir.Py.Router':bind_context(Pool, Ctx)).

-spec unbind_context() -> ok.
unbind_context() -> 'Elixir.Py.Router':unbind_context().

-spec unbind_context(default) -> ok.
unbind_context(Pool) -> 'Elixir.Py.Router':unbind_context(Pool).
