defmodule Py.Router.SupervisorTest do
  # The application is started anew, and pools are found by their names.
  use Py.Case, async: false

  alias Py.{ContextError, Router, StartError}
  alias Py.Router.Pool

  defp configure(pools) do
    :ok = Application.stop(:erlang_python)
    :ok = Application.put_env(:erlang_python, :pools, pools)

    on_exit(fn ->
      Application.stop(:erlang_python)
      Application.delete_env(:erlang_python, :pools)
      {:ok, _} = Application.ensure_all_started(:erlang_python)
    end)

    Application.start(:erlang_python)
  end

  describe "pools of the configuration" do
    test "start with the application, and open when they are wanted" do
      :ok =
        configure(
          io: [size: 3, mode: :worker, register: [:shelve, {"statistics", :mean}]],
          default: [size: 2],
          worker: [size: 1]
        )

      assert Router.num_contexts(:io) == 3
      assert Router.contexts(:io) == []
      assert {Router.num_contexts(), Router.num_contexts(:worker)} == {2, 1}
      assert Py.call(:math, :sqrt, [16], pool: :io) == {:ok, 4.0}
      assert [context] = Router.contexts(:io)
      assert {:ok, %{mode: :worker}} = Py.Context.info(context)
      assert Router.lookup_pool(:shelve, :open) == :io
      assert Router.lookup_pool(:statistics, "mean") == :io
      assert Router.lookup_pool(:statistics, :median) == :default

      assert %{io: %{size: 3, open: 1, busy: 0, queue: 0}, default: %{size: 2}} = Py.info().pools
    end

    test "are there again when the application is" do
      :ok = configure(io: [size: 1])
      :ok = Application.stop(:erlang_python)
      refute Router.pool_started?(:io)
      :ok = Application.start(:erlang_python)
      assert Py.eval("1", %{}, pool: :io) == {:ok, 1}
    end

    test "that cannot be are a clear failure to start" do
      assert {:error, {{%StartError{reason: :unsupported_mode} = error, []}, _start}} =
               configure(io: [mode: :warp])

      assert Exception.message(error) =~ ":warp"
    end

    test "with a wrong option are, too" do
      assert {:error, {:bad_return, {_start, {:EXIT, {%ArgumentError{} = error, _stack}}}}} =
               configure(io: [sise: 3])

      assert Exception.message(error) =~ ":sise is not an option of pool, which knows :"
    end

    test "register again after their keeper has crashed, and keep what was added" do
      :ok = configure(io: [size: 1, register: [:shelve]])
      :ok = Router.register_pool(:io, :dbm)
      kill(Process.whereis(Py.Router.Registrations))
      assert eventually(fn -> Process.whereis(Py.Router.Registrations) end)
      assert Router.list_pool_registrations() == [{"dbm", :io}, {"shelve", :io}]
    end
  end

  describe "a pool under a supervisor of one's own" do
    setup do
      on_exit(fn -> Router.unregister_pool(:shelve) end)
    end

    defp start_pool(opts \\ []) do
      opts = Keyword.merge([name: :own, size: 2], opts)
      start_supervised!({Router, opts})
    end

    test "lives and ends with it" do
      pool = start_pool(mode: :worker, register: [:shelve])
      assert Router.contexts(:own) == []
      assert Py.call(:math, :sqrt, [16], pool: :own) == {:ok, 4.0}
      assert Router.lookup_pool(:shelve, :open) == :own
      [context] = Router.contexts(:own)
      monitor = Process.monitor(context)
      :ok = stop_supervised({Router, :own})
      assert_receive {:DOWN, ^monitor, :process, ^context, :shutdown}, 10_000
      refute Process.alive?(pool) or Router.pool_started?(:own)
    end

    test "is resized like any other" do
      start_pool()
      assert Router.resize_pool(:own, 4) == :ok
      assert Router.num_contexts(:own) == 4
      assert {:ok, [one, two, three]} = Router.start_pool(:own, 3)
      assert Router.contexts(:own) == [one, two, three]
    end

    test "is stopped, and given another mode, by that supervisor alone" do
      start_pool(mode: :worker)
      assert {:error, %ContextError{reason: :supervised} = error} = Router.stop_pool(:own)
      assert Exception.message(error) =~ "the pool :own is a child of"

      assert {:error, %ContextError{reason: :supervised}} =
               Router.start_pool(:own, 2, max_queue: 1)

      assert Py.eval("1", %{}, pool: :own) == {:ok, 1}
    end

    test "has a name of its own" do
      pool = start_pool()
      assert {:error, {:already_started, ^pool}} = Router.start_link(name: :own)
      assert {:error, {:already_started, _pool}} = Router.start_link(name: :default)
      assert Router.resize_pool(:own, 1) == :ok
      assert {:error, %ContextError{reason: :supervised}} = Router.stop_pool(:own)
    end

    test "comes back when it crashes, with calls in flight answered" do
      pool = start_pool()
      {:ok, contexts} = Router.start_pool(:own, 2)
      {port, running} = occupy(hd(contexts))
      kill(pool)
      Port.close(port)
      # What it waited for may end before it is interrupted.
      closed = {:error, %ContextError{reason: :closed}}
      assert Task.await(running, 20_000) in [closed, {:ok, ""}]
      assert eventually(fn -> Py.eval("1 + 1", %{}, pool: :own) == {:ok, 2} end)
      assert Process.whereis(Pool.supervisor(:own)) != pool
    end

    test "outlives the application, and is resized when that is back" do
      start_pool()
      assert Py.eval("1", %{}, pool: :own) == {:ok, 1}
      :ok = Application.stop(:erlang_python)
      assert Py.eval("1", %{}, pool: :own) == {:ok, 1}
      :ok = Application.start(:erlang_python)
      assert Router.resize_pool(:own, 1) == :ok
      assert Py.eval("1", %{}, pool: :own) == {:ok, 1}
    end

    test "drains when it is told to" do
      start_pool(drain: :infinity)
      {:ok, [context | _other]} = Router.start_pool(:own, 2)
      {_port, running} = held = occupy(context)
      waiting = Task.async(fn -> Py.eval("'done'", %{}, context: context) end)
      assert eventually(fn -> match?({:ok, %{queue: 1}}, Py.Context.info(context)) end)
      parent = self()

      stopping =
        spawn_link(fn ->
          Process.unlink(parent)
          :ok = Supervisor.stop(Pool.supervisor(:own), :shutdown)
        end)

      monitor = Process.monitor(stopping)
      assert eventually(fn -> match?({:ok, %{queue: 2}}, Py.Context.info(context)) end)
      assert release(held) == {:ok, ""}
      assert Task.await(waiting) == {:ok, "done"}
      assert_receive {:DOWN, ^monitor, :process, ^stopping, :normal}, 10_000
      refute Process.alive?(running.pid)
    end

    test "of a kind that this Python lacks does not start" do
      assert {:error, %StartError{reason: :unsupported_mode}} =
               Router.start_link(name: :own, mode: :warp)
    end
  end
end
