defmodule MigrationGuide.AsgiAndWsgiTest do
  use Py.Case.Guide

  defp bound_context do
    {:ok, context} = :py_context.start_link(1, :auto)
    import_from_guide([context])
    :ok = :py_context.stop(context)
  end

  setup do
    bound_context()
  end

  test "the modules are gone" do
    for module <- [:py_asgi, :py_wsgi], do: refute(Code.ensure_loaded?(module))
  end

  test "an application that takes a scope is called in a context" do
    {response, %{Ctx: context}} =
      erlang(
        ~S"""
        %% Instead of py_asgi:run/4, use py:call with an event loop context
        {ok, Ctx} = py_context:start_link(1, auto),
        Prepare(Ctx),
        Scope = #{
          type => <<"http">>,
          method => <<"GET">>,
          path => <<"/api/users">>
        },
        {ok, Response} = py:call(Ctx, myapp, handle_request, [Scope]),
        Response.
        """,
        Prepare: &import_from_guide([&1])
      )

    assert response == %{"status" => 200, "body" => "GET /api/users over http"}
    :py_context.stop(context)
  end

  test "an application that takes an environ is called in a context" do
    {response, %{Ctx: context}} =
      erlang(
        ~S"""
        %% Instead of py_wsgi:run/3, use py:call
        {ok, Ctx} = py_context:start_link(1, auto),
        Prepare(Ctx),
        Environ = #{
          <<"REQUEST_METHOD">> => <<"GET">>,
          <<"PATH_INFO">> => <<"/api/users">>,
          <<"SERVER_NAME">> => <<"localhost">>,
          <<"SERVER_PORT">> => <<"8080">>
        },
        {ok, Response} = py:call(Ctx, myapp, wsgi_app, [Environ]),
        Response.
        """,
        Prepare: &import_from_guide([&1])
      )

    assert response == ["200 OK", "GET http://localhost:8080/api/users"]
    :py_context.stop(context)
  end
end
