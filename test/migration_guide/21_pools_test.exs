defmodule MigrationGuide.PoolsTest do
  use Py.Case.Guide

  setup do
    on_exit(fn ->
      :py.unregister_pool(:"urllib.request")
      :py.unregister_pool({:"http.client", :responses})
      :py_context_router.stop_pool(:io)
    end)
  end

  # Where the guide has the package requests and some address, this is the standard library's
  # client and an address that holds its own data.
  @url "data:text/plain,hello"

  test "pools are started on demand, and calls are sent to them by name or by registration" do
    {contexts, _} =
      erlang(
        ~S"""
        %% Default pool - CPU-bound operations (sized to schedulers)
        {ok, Result} = py:call(math, sqrt, [16]),
        4.0 = Result.

        %% Create io pool for I/O-bound operations
        {ok, _} = py_context_router:start_pool(io, 10, worker).
        {ok, Response} = py:call(io, 'urllib.request', urlopen, [Url]),
        {ok, <<"hello">>} = py:call_method(Response, read, []).

        %% Registration-based routing (no call site changes)
        py:register_pool(io, 'urllib.request'), % Route all requests.* to io pool
        py:register_pool(io, {'http.client', responses}). % Route specific function

        %% After registration, calls auto-route
        {ok, Again} = py:call('urllib.request', urlopen, [Url]), % Goes to io pool
        {ok, <<"hello">>} = py:call_method(Again, read, []).

        io = py_context_router:lookup_pool('urllib.request', urlopen),
        io = py_context_router:lookup_pool('http.client', responses),
        default = py_context_router:lookup_pool('http.client', 'HTTPConnection'),
        py_context_router:contexts(io).
        """,
        Url: @url
      )

    assert length(contexts) == 10
    assert {:ok, %{mode: :worker}} = Py.Context.info(hd(contexts))
  end
end
