%% @doc Coroutines from Erlang: the Elixir module `Py.EventLoop'. A context in front says where to
%% run. The results of tasks come as messages `{async_result, Ref, {ok, Value} | {error, Reason}}'.
-module(py_event_loop).

-export([run/3, run/4, run/5, create_task/3, create_task/4, create_task/5]).
-export([await/1, await/2, cancel/1, spawn_task/3, spawn_task/4, spawn_task/5]).

-import(py_terms, [name/1, options/1]).

%% The options are those of `py:call' and, for tasks, `timeout': milliseconds until the task is
%% cancelled.

-spec run(py:name(), py:name(), list()) -> py:answer().
run(M, F, Args) -> py:call(M, F, Args).

-spec run(py:context() | py:name(), py:name(), list() | py:name(), map() | list()) -> py:answer().
run(M, F, Args, Opts) when is_list(Args), is_map(Opts) -> called(M, F, Args, options(Opts));
run(Ctx, M, F, Args) -> called(M, F, Args, [{context, Ctx}]).

-spec run(py:context(), py:name(), py:name(), list(), map()) -> py:answer().
run(Ctx, M, F, Args, Opts) -> called(M, F, Args, [{context, Ctx} | options(Opts)]).

-spec create_task(py:name(), py:name(), list()) -> reference().
create_task(M, F, Args) -> created(M, F, Args, []).

-spec create_task(py:context() | py:name(), py:name(), list() | py:name(), map() | list()) ->
    reference().
create_task(M, F, Args, Opts) when is_list(Args), is_map(Opts) -> created(M, F, Args, options(Opts));
create_task(Ctx, M, F, Args) -> created(M, F, Args, [{context, Ctx}]).

-spec create_task(py:context(), py:name(), py:name(), list(), map()) -> reference().
create_task(Ctx, M, F, Args, Opts) -> created(M, F, Args, [{context, Ctx} | options(Opts)]).

-spec await(reference()) -> py:answer().
await(Ref) -> await(Ref, 'Elixir.Py.Options':default(timeout)).

-spec await(reference(), timeout()) -> py:answer().
await(Ref, Timeout) -> 'Elixir.Py.EventLoop.Tasks':await(Ref, Timeout, fun py_terms:answer/1).

-spec cancel(reference()) -> ok.
cancel(Ref) -> 'Elixir.Py.EventLoop':cancel(Ref).

-spec spawn_task(py:name(), py:name(), list()) -> ok | {error, term()}.
spawn_task(M, F, Args) -> py:cast(M, F, Args).

-spec spawn_task(py:context() | py:name(), py:name(), list() | py:name(), map() | list()) ->
    ok | {error, term()}.
spawn_task(M, F, Args, Opts) when is_list(Args), is_map(Opts) -> casted(M, F, Args, options(Opts));
spawn_task(Ctx, M, F, Args) -> casted(M, F, Args, [{context, Ctx}]).

-spec spawn_task(py:context(), py:name(), py:name(), list(), map()) -> ok | {error, term()}.
spawn_task(Ctx, M, F, Args, Opts) -> casted(M, F, Args, [{context, Ctx} | options(Opts)]).

called(M, F, Args, Opts) ->
    py_terms:answer('Elixir.Py.Request':call(name(M), name(F), Args, Opts, erlang)).

created(M, F, Args, Opts) ->
    Shape = fun py_terms:answer/1,
    'Elixir.Py.Request':create_task(name(M), name(F), Args, Opts, erlang, Shape).

casted(M, F, Args, Opts) ->
    py_terms:answer('Elixir.Py.Request':cast(name(M), name(F), Args, Opts, erlang)).
