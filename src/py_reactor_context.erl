%% @doc Reactors from Erlang: the Elixir module `Py.Reactor'.
-module(py_reactor_context).

-export([start_link/2, start_link/3, handoff/2, handoff/3, stats/1, stop/1]).

-import(py_terms, [answer/1, options/1]).

-type fd() :: non_neg_integer() | inet:socket().

%% `Id' is for the caller's own records; `Mode' is `auto', `owngil', `subinterp' or `worker'.
-spec start_link(term(), atom()) -> {ok, pid()} | {error, term()}.
start_link(Id, Mode) -> start_link(Id, Mode, #{}).

%% The options are `protocol', `setup', `max_connections', `max_write_buffer' and `shared'.
-spec start_link(term(), atom(), map() | [{atom(), term()}]) -> {ok, pid()} | {error, term()}.
start_link(_Id, Mode, Opts) -> answer('Elixir.Py.Reactor':start_link([{mode, Mode} | options(Opts)])).

-spec handoff(fd(), term()) -> ok | {error, atom()}.
handoff(Fd, Info) -> 'Elixir.Py.Reactor':handoff(Fd, Info).

-spec handoff(pid() | atom(), fd(), term()) -> ok | {error, atom()}.
handoff(Reactor, Fd, Info) -> 'Elixir.Py.Reactor':handoff(Reactor, Fd, Info).

-spec stats(pid() | atom()) -> {ok, map()} | {error, closed}.
stats(Reactor) -> 'Elixir.Py.Reactor':stats(Reactor).

-spec stop(pid() | atom()) -> ok.
stop(Reactor) -> 'Elixir.Py.Reactor':stop(Reactor).
