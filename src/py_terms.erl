%% @doc What the Erlang facade changes on the way in and out.
%%
%% Errors are `{error, {Type, Message}}' for what Python raised, with an atom for a built-in
%% exception and a binary such as `<<"json.decoder.JSONDecodeError">>' for any other;
%% `{error, {conversion_error, Message}}' for a value without a counterpart; `{error,
%% {start_error, Message}}' when Python cannot start; and an atom (`timeout', `busy', `closed',
%% ...) when the context could not do it.
-module(py_terms).

-export([answer/1, event/1, field/2, fields/1, found/1, keys/1, name/1, options/1]).
-export([requirements/1, text/1]).

-spec answer(ok | {ok, term()} | {error, term()}) -> ok | py:answer().
answer({ok, _Value} = Ok) -> Ok;
answer(ok) -> ok;
answer({error, Exception}) -> {error, reason(Exception)}.

%% What a stream sends.
-spec event({data, term()} | done | {error, term()}) -> {data, term()} | done | {error, term()}.
event({error, _Exception} = Error) -> answer(Error);
event(Event) -> Event.

%% One field of an answer that is a map.
-spec field(atom(), {ok, map()} | {error, term()}) -> py:answer().
field(Key, {ok, Map}) -> {ok, maps:get(Key, Map)};
field(_Key, Error) -> answer(Error).

%% A map with atoms for keys that stays one.
-spec fields(map()) -> map().
fields(Map) -> maps:map(fun(_Field, Value) -> none(Value) end, Map).

%% What Elixir's `fetch' answers.
-spec found({ok, term()} | error) -> {ok, term()} | {error, not_found}.
found(error) -> {error, not_found};
found(Ok) -> Ok.

%% A map with atoms for keys, as Python would have given it.
-spec keys({ok, map()}) -> {ok, map()}.
keys({ok, Map}) ->
    Pair = fun(Key, Value) -> {atom_to_binary(Key), none(Value)} end,
    {ok, maps:from_list([Pair(Key, Value) || {Key, Value} <- maps:to_list(Map)])}.

none(nil) -> none;
none(Value) -> Value.

%% A path, or a list of strings.
-spec requirements(py:code() | [py:code()]) -> binary() | [binary()].
requirements(Lines) when is_list(Lines), (Lines =:= [] orelse not is_integer(hd(Lines))) ->
    [text(Line) || Line <- Lines];
requirements(Path) -> text(Path).

-spec name(py:name() | map()) -> atom() | binary() | map().
name(Name) when is_list(Name) -> text(Name);
name(Name) -> Name.

-spec options(map() | [{atom(), term()}]) -> [{atom(), term()}].
options(Opts) when is_map(Opts) -> maps:to_list(Opts);
options(Opts) -> Opts.

-spec text(py:code()) -> binary().
text(Text) when is_binary(Text) -> Text;
text(Text) -> unicode:characters_to_binary(Text).

reason(#{'__struct__' := 'Elixir.Py.Error', type := Type, message := Message}) ->
    {type(Type), Message};
reason(#{'__struct__' := 'Elixir.Py.ContextError', reason := Reason}) ->
    Reason;
reason(#{'__struct__' := 'Elixir.Py.ConversionError'} = Error) ->
    {conversion_error, 'Elixir.Exception':message(Error)};
reason(#{'__struct__' := 'Elixir.Py.StartError'} = Error) ->
    {start_error, 'Elixir.Exception':message(Error)};
reason(Other) ->
    Other.

%% A fixed table: no atom is ever made from what Python says.
type(Name) -> maps:get(Name, builtins(), Name).

builtins() ->
    #{
        <<"ArithmeticError">> => 'ArithmeticError',
        <<"AssertionError">> => 'AssertionError',
        <<"AttributeError">> => 'AttributeError',
        <<"BaseException">> => 'BaseException',
        <<"BaseExceptionGroup">> => 'BaseExceptionGroup',
        <<"BlockingIOError">> => 'BlockingIOError',
        <<"BrokenPipeError">> => 'BrokenPipeError',
        <<"BufferError">> => 'BufferError',
        <<"BytesWarning">> => 'BytesWarning',
        <<"ChildProcessError">> => 'ChildProcessError',
        <<"ConnectionAbortedError">> => 'ConnectionAbortedError',
        <<"ConnectionError">> => 'ConnectionError',
        <<"ConnectionRefusedError">> => 'ConnectionRefusedError',
        <<"ConnectionResetError">> => 'ConnectionResetError',
        <<"DeprecationWarning">> => 'DeprecationWarning',
        <<"EOFError">> => 'EOFError',
        <<"EncodingWarning">> => 'EncodingWarning',
        <<"Exception">> => 'Exception',
        <<"ExceptionGroup">> => 'ExceptionGroup',
        <<"FileExistsError">> => 'FileExistsError',
        <<"FileNotFoundError">> => 'FileNotFoundError',
        <<"FloatingPointError">> => 'FloatingPointError',
        <<"FutureWarning">> => 'FutureWarning',
        <<"GeneratorExit">> => 'GeneratorExit',
        <<"ImportError">> => 'ImportError',
        <<"ImportWarning">> => 'ImportWarning',
        <<"IndentationError">> => 'IndentationError',
        <<"IndexError">> => 'IndexError',
        <<"InterruptedError">> => 'InterruptedError',
        <<"IsADirectoryError">> => 'IsADirectoryError',
        <<"KeyError">> => 'KeyError',
        <<"KeyboardInterrupt">> => 'KeyboardInterrupt',
        <<"LookupError">> => 'LookupError',
        <<"MemoryError">> => 'MemoryError',
        <<"ModuleNotFoundError">> => 'ModuleNotFoundError',
        <<"NameError">> => 'NameError',
        <<"NotADirectoryError">> => 'NotADirectoryError',
        <<"NotImplementedError">> => 'NotImplementedError',
        <<"OSError">> => 'OSError',
        <<"OverflowError">> => 'OverflowError',
        <<"PendingDeprecationWarning">> => 'PendingDeprecationWarning',
        <<"PermissionError">> => 'PermissionError',
        <<"ProcessLookupError">> => 'ProcessLookupError',
        <<"PythonFinalizationError">> => 'PythonFinalizationError',
        <<"RecursionError">> => 'RecursionError',
        <<"ReferenceError">> => 'ReferenceError',
        <<"ResourceWarning">> => 'ResourceWarning',
        <<"RuntimeError">> => 'RuntimeError',
        <<"RuntimeWarning">> => 'RuntimeWarning',
        <<"StopAsyncIteration">> => 'StopAsyncIteration',
        <<"StopIteration">> => 'StopIteration',
        <<"SyntaxError">> => 'SyntaxError',
        <<"SyntaxWarning">> => 'SyntaxWarning',
        <<"SystemError">> => 'SystemError',
        <<"SystemExit">> => 'SystemExit',
        <<"TabError">> => 'TabError',
        <<"TimeoutError">> => 'TimeoutError',
        <<"TypeError">> => 'TypeError',
        <<"UnboundLocalError">> => 'UnboundLocalError',
        <<"UnicodeDecodeError">> => 'UnicodeDecodeError',
        <<"UnicodeEncodeError">> => 'UnicodeEncodeError',
        <<"UnicodeError">> => 'UnicodeError',
        <<"UnicodeTranslateError">> => 'UnicodeTranslateError',
        <<"UnicodeWarning">> => 'UnicodeWarning',
        <<"UserWarning">> => 'UserWarning',
        <<"ValueError">> => 'ValueError',
        <<"Warning">> => 'Warning',
        <<"ZeroDivisionError">> => 'ZeroDivisionError',
        <<"_IncompleteInputError">> => '_IncompleteInputError'
    }.
