defmodule Py.TelemetryTest do
  # Whether calls emit events is everyone's.
  use Py.Case, async: false

  import Py.Sigil

  alias Py.Case.Events
  alias Py.{Context, ContextError, Router, Telemetry}

  doctest Telemetry

  @start [:py, :call, :start]
  @stop [:py, :call, :stop]
  @exception [:py, :call, :exception]

  defp enable do
    Telemetry.enable()
    on_exit(&Telemetry.disable/0)
    Events.attach([@start, @stop, @exception])
  end

  describe "a call" do
    test "is silent unless somebody wants to know" do
      Events.attach([@start, @stop])
      assert Py.call(:math, :sqrt, [16]) == {:ok, 4.0}
      refute_received {@start, _, %{function: "sqrt"}}
      refute_received {@stop, _, %{function: "sqrt"}}
    end

    # A context that opens makes calls of its own, so each of these names the one it means.
    for %{name: mode, supported: true} <- Py.Mode.all() do
      test "in #{mode} has a start, and a stop with what took how long" do
        context = start_context(mode: unquote(mode))
        enable()
        assert Context.call(context, :math, :sqrt, [16]) == {:ok, 4.0}
        named = %{kind: :call, module: "math", function: "sqrt"}
        assert_received {@start, %{monotonic_time: start, system_time: _}, ^named}
        assert is_integer(start)
        assert_received {@stop, times, %{function: "sqrt"} = metadata}
        assert metadata == Map.put(named, :context, context)
        assert Enum.sort(Map.keys(times)) == [:convert, :duration, :queue, :run]
        assert Enum.all?(Map.values(times), &(is_integer(&1) and &1 >= 0))
        assert times.run > 0 and times.convert > 0
      end
    end

    test "that fails has an exception, with the same times" do
      enable()
      assert {:error, %Py.Error{} = error} = Py.call(:math, :sqrt, [-1])
      assert_received {@exception, %{run: run}, %{function: "sqrt"} = metadata}
      assert run > 0
      assert %{kind_of_error: :error, reason: ^error, stacktrace: []} = metadata
      assert is_pid(metadata.context)
      refute_received {@stop, _, %{function: "sqrt"}}
    end

    test "that never ran has no context, and took nothing" do
      enable()
      assert {:error, %ContextError{}} = Py.eval("1", %{}, context: :nobody)
      assert_received {@exception, %{queue: 0, run: 0}, %{context: nil, kind: :eval}}
    end

    test "that takes too long is one too" do
      enable()
      forever = "while True: pass"
      assert {:error, %ContextError{reason: :timeout}} = Py.exec(forever, timeout: 20)

      assert_received {@exception, _times,
                       %{kind: :exec, reason: %ContextError{reason: :timeout}}}
    end

    test "may be any verb" do
      object = Py.call!(:collections, :deque, [[1, 2]])
      enable()
      assert Py.eval("1 + 1") == {:ok, 2}
      assert_received {@stop, _, %{kind: :eval}}
      assert Py.exec("x = 1") == :ok
      assert_received {@stop, _, %{kind: :exec}}
      assert Py.call(object, :pop) == {:ok, 2}
      assert_received {@stop, _, %{kind: :call_method, module: "collections.deque"}}
      assert Py.Object.getattr(object, :maxlen) == {:ok, nil}
      assert_received {@stop, _, %{kind: :getattr}}
    end

    test "within a callback comes to its end first" do
      enable()
      inner = fn -> Py.call!(:math, :sqrt, [16]) end
      assert Py.eval("fun()", %{fun: inner}) == {:ok, 4.0}
      assert_received {@stop, %{run: inner}, %{function: "sqrt"}}
      assert_received {@stop, %{run: outer}, %{kind: :eval}}
      assert outer > inner
    end

    test "that is not waited for ends when it is" do
      enable()
      ref = Py.spawn_call(:math, :sqrt, [16])
      assert_received {@start, _, %{function: "sqrt"}}
      refute_received {@stop, _, %{function: "sqrt"}}
      assert Py.await(ref) == {:ok, 4.0}
      assert_received {@stop, %{run: run}, %{function: "sqrt", context: context}}
      assert run > 0 and is_pid(context)

      ref = Py.spawn_call(:math, :sqrt, [-1])
      assert {:error, %Py.Error{}} = Py.await(ref)
      assert_received {@exception, _, %{function: "sqrt"}}
      assert Process.get_keys() |> Enum.filter(&match?({:"$py_started", _}, &1)) == []
    end

    test "is what a sigil makes, too" do
      enable()
      n = 1
      assert sigil_PY("n + 2", []) == 3
      assert_received {@stop, %{run: run}, %{kind: :sigil}}
      assert run > 0
    end

    test "of which nobody waits for the end is left out" do
      enable()
      ref = Py.EventLoop.create_task(:asyncio, :sleep, [0, "slept"])
      assert Py.EventLoop.await(ref) == {:ok, "slept"}
      assert Py.cast(:erlang, :send, [self(), "sent"]) == :ok
      assert_receive "sent", 20_000
      refute_received {_event, _, %{function: "sleep"}}
      refute_received {_event, _, %{function: "send"}}
    end

    @tag :capture_log
    test "that runs inline and is slow is told of without being asked for" do
      Events.attach([[:py, :call, :slow_inline]])
      on_exit(fn -> Router.unregister_inline({:telemetry, :slow}) end)
      op = {:call, :telemetry, :slow, [], []}
      :ok = Py.Request.Inline.slow(op, 9_000, 0)
      refute_received {[:py, :call, :slow_inline], _, %{module: "telemetry"}}
      :ok = Py.Request.Inline.slow(op, 2_000, 0)

      assert_received {[:py, :call, :slow_inline], %{duration: took},
                       %{kind: :call, module: "telemetry", function: "slow"}}

      assert System.convert_time_unit(took, :native, :microsecond) == 2_000
    end

    test "with a struct to encode, a stream and a schedule work as ever" do
      enable()
      assert Py.call(:builtins, :len, [MapSet.new([1])]) == {:ok, 1}
      assert Py.stream(:builtins, :range, [5]) |> Enum.to_list() == [0, 1, 2, 3, 4]
      Py.register_function(:telemetry_next, fn [n] -> n + 1 end)
      on_exit(fn -> Py.unregister_function(:telemetry_next) end)
      code = "def f():\n    import erlang\n    return erlang.schedule('telemetry_next', 1)"
      :ok = Py.exec(code)
      assert Py.call(:__main__, :f) == {:ok, 2}
      ref = Py.stream_start(:builtins, :range, [2])
      assert_receive {:py_stream, ^ref, {:data, 1}}, 5_000
      assert_receive {:py_stream, ^ref, :done}, 5_000
    end
  end

  describe "a context" do
    setup do
      events = for name <- [:start, :stop, :crash, :interrupt], do: [:py, :context, name]
      Events.attach(events)
    end

    test "tells when it opens and stops" do
      {:ok, context} = Context.start_link(mode: :worker)
      assert_receive {[:py, :context, :start], %{duration: took}, %{context: ^context} = facts}
      assert took > 0
      assert facts.mode == :worker
      {:ok, 1} = Context.eval(context, "1")
      :ok = Context.stop(context)
      assert_receive {[:py, :context, :stop], %{served: served}, %{context: ^context} = facts}
      assert served > 0 and facts.reason == :normal
    end

    @tag :capture_log
    test "tells when it crashes" do
      Process.flag(:trap_exit, true)
      {:ok, context} = Context.start_link()
      Process.exit(context, :oops)
      assert_receive {[:py, :context, :crash], _, %{context: ^context, reason: :oops}}, 5_000
    end

    test "of a pool tells when it is killed" do
      {:ok, [context]} = Router.start_pool(:io, 1)
      on_exit(fn -> Router.stop_pool(:io) end)
      kill(context)
      assert_receive {[:py, :context, :crash], _, %{context: ^context, reason: :killed}}, 5_000
    end

    test "tells when it is interrupted" do
      context = start_context()
      forever = Task.async(fn -> Context.exec(context, "while True: pass") end)
      assert eventually(fn -> match?({:ok, %{running: true}}, Context.info(context)) end)
      {:ok, %{request: request}} = Context.info(context)
      :ok = Context.interrupt(context)
      assert {:error, %ContextError{reason: :interrupted}} = Task.await(forever)

      assert_receive {[:py, :context, :interrupt], %{count: 1},
                      %{context: ^context, request: ^request}},
                     5_000
    end
  end

  describe "a pool" do
    test "tells of its size" do
      Events.attach([[:py, :pool, :slots]])
      {:ok, _contexts} = Router.start_pool(:io, 2)
      on_exit(fn -> Router.stop_pool(:io) end)
      assert_received {[:py, :pool, :slots], %{size: 2, open: 0}, %{pool: :io}}
      assert_received {[:py, :pool, :slots], %{size: 2, open: 2}, %{pool: :io}}
      :ok = Router.resize_pool(:io, 1)
      assert_received {[:py, :pool, :slots], %{size: 1, open: 1}, %{pool: :io}}
    end

    test "is measured when somebody asks" do
      Events.attach([[:py, :pool, :status], [:py, :runtime, :status]])
      assert Telemetry.measure() == :ok
      size = Router.num_contexts()

      assert_received {[:py, :pool, :status], %{size: ^size, busy: _, queue: _},
                       %{pool: :default}}

      assert_received {[:py, :pool, :status], %{}, %{pool: :worker}}
      assert_received {[:py, :runtime, :status], %{open_contexts: _, abandoned_threads: _}, %{}}
    end

    test "tells how much is queued in channels" do
      Events.attach([[:py, :channel, :status]])
      {:ok, channel} = Py.Channel.new()
      for n <- 1..10, do: :ok = Py.Channel.send(channel, n)
      {:ok, other} = Py.Channel.new(type: :bytes)
      :ok = Py.Channel.send(other, String.duplicate("x", 1_000_000))
      Telemetry.measure()
      assert_received {[:py, :channel, :status], queued, %{}}
      assert queued.count >= 2 and queued.messages >= 11
      assert queued.largest >= 1_000_000 and queued.size > queued.largest
      # They are still there.
      assert for(channel <- [channel, other], do: Py.Channel.info(channel).messages) == [10, 1]
    end
  end

  test "the configuration may want calls from the start" do
    Application.put_env(:erlang_python, :telemetry, true)
    on_exit(fn -> Application.delete_env(:erlang_python, :telemetry) && Telemetry.setup() end)
    Telemetry.setup()
    assert Telemetry.calls?()
  end
end
