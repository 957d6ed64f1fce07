%% @doc Contexts from Erlang: the Elixir module `Py.Context'.
-module(py_context).

-export([start_link/2, stop/1, call/5, call/6, eval/3, eval/4, exec/2]).
-export([call_method/4, to_term/1, get_interp_id/1]).

-import(py_terms, [answer/1, name/1]).

%% `Id' is for the caller's own records; `Mode' is `auto', `owngil', `subinterp' or `worker'.
-spec start_link(term(), atom()) -> {ok, pid()} | {error, term()}.
start_link(_Id, Mode) -> answer('Elixir.Py.Context':start_link([{mode, Mode}])).

-spec stop(py:context()) -> ok.
stop(Ctx) -> 'Elixir.Py.Context':stop(Ctx).

-spec call(py:context(), py:name(), py:name(), list(), py:kwargs()) -> py:answer().
call(Ctx, M, F, Args, Kwargs) -> py:call(Ctx, M, F, Args, #{kwargs => Kwargs}).

-spec call(py:context(), py:name(), py:name(), list(), py:kwargs(), timeout()) -> py:answer().
call(Ctx, M, F, Args, Kwargs, Timeout) ->
    py:call(Ctx, M, F, Args, #{kwargs => Kwargs, timeout => Timeout}).

-spec eval(py:context(), py:code(), map()) -> py:answer().
eval(Ctx, Code, Locals) -> py:eval(Ctx, Code, Locals).

-spec eval(py:context(), py:code(), map(), timeout()) -> py:answer().
eval(Ctx, Code, Locals, Timeout) ->
    answer('Elixir.Py.Request':eval(
        py_terms:text(Code), Locals, [{context, Ctx}, {timeout, Timeout}], erlang)).

-spec exec(py:context(), py:code()) -> ok | {error, term()}.
exec(Ctx, Code) -> py:exec(Ctx, Code).

-spec call_method(py:context(), map(), py:name(), list()) -> py:answer().
call_method(Ctx, Ref, Method, Args) ->
    answer('Elixir.Py.Request':in_context(Ctx, {call_method, Ref, name(Method), Args, []}, erlang)).

-spec to_term(map()) -> py:answer().
to_term(Ref) -> py:to_term(Ref).

-spec get_interp_id(py:context()) -> {ok, integer()} | {error, term()}.
get_interp_id(Ctx) -> py_terms:field(interp_id, 'Elixir.Py.Context':info(Ctx)).
