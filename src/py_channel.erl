%% @doc Channels from Erlang: the Elixir module `Py.Channel'.
-module(py_channel).

-export([new/0, new/1, send/2, send/3, 'receive'/1, 'receive'/2, close/1, info/1]).
-export([subscribe/1, subscribe/2, ask/3, unsubscribe/2]).

-import(py_terms, [options/1]).

-type channel() :: map().

-export_type([channel/0]).

-spec new() -> {ok, channel()}.
new() -> 'Elixir.Py.Channel':new().

-spec new(map() | list()) -> {ok, channel()}.
new(Opts) -> 'Elixir.Py.Channel':new(options(Opts)).

-spec send(channel(), term()) -> ok | busy | {error, closed}.
send(Channel, Term) -> 'Elixir.Py.Channel':send(Channel, Term).

%% Waits so many milliseconds for room.
-spec send(channel(), term(), timeout()) -> ok | busy | {error, closed}.
send(Channel, Term, Timeout) -> 'Elixir.Py.Channel':send(Channel, Term, [{timeout, Timeout}]).

-spec 'receive'(channel()) -> {ok, term()} | {error, closed | timeout}.
'receive'(Channel) -> 'Elixir.Py.Channel':'receive'(Channel).

-spec 'receive'(channel(), timeout()) -> {ok, term()} | {error, closed | timeout}.
'receive'(Channel, Timeout) -> 'Elixir.Py.Channel':'receive'(Channel, [{timeout, Timeout}]).

-spec close(channel()) -> ok.
close(Channel) -> 'Elixir.Py.Channel':close(Channel).

-spec info(channel()) -> #{size := non_neg_integer(), max_size := pos_integer() | infinity,
                           closed := boolean(), atom() => term()}.
info(Channel) -> 'Elixir.Py.Channel':info(Channel).

-spec subscribe(channel()) -> {ok, reference()}.
subscribe(Channel) -> 'Elixir.Py.Channel':subscribe(Channel).

%% With `#{demand => N}', so many messages and then those that `ask/3' asks for.
-spec subscribe(channel(), map() | list()) -> {ok, reference()}.
subscribe(Channel, Opts) -> 'Elixir.Py.Channel':subscribe(Channel, options(Opts)).

-spec ask(channel(), reference(), pos_integer() | infinity) -> ok | {error, not_found}.
ask(Channel, Subscription, Demand) -> 'Elixir.Py.Channel':ask(Channel, Subscription, Demand).

-spec unsubscribe(channel(), reference()) -> ok | {error, not_found}.
unsubscribe(Channel, Subscription) -> 'Elixir.Py.Channel':unsubscribe(Channel, Subscription).
