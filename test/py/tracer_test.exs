defmodule Py.TracerTest do
  # What is traced is everyone's.
  use Py.Case, async: false

  alias Py.Case.Events
  alias Py.{Context, Tracer}

  doctest Tracer

  setup do
    on_exit(fn ->
      Tracer.disable()
      Tracer.clear()
    end)

    Tracer.clear()
    Tracer.enable()
  end

  defp traced(code, context) do
    :ok = Context.exec(context, "import erlang\n" <> code)
    Map.new(Tracer.spans(), &{&1.name, &1})
  end

  for %{name: mode, supported: true} <- Py.Mode.all() do
    describe "in #{mode}" do
      setup do
        %{context: start_context(mode: unquote(mode))}
      end

      test "a span has its time, its attributes and its events", %{context: context} do
        code = """
        with erlang.Span("work", kind="test", size=3) as span:
            span.event("half", left=1)
            span.set(size=4, odd={1})
        """

        %{"work" => span} = traced(code, context)
        assert %{status: :ok, error: nil, parent_id: nil} = span
        assert span.attributes == %{"kind" => "test", "size" => 4, "odd" => "{1}"}
        assert [%{name: "half", attributes: %{"left" => 1}, at_us: at}] = span.events
        assert at <= span.duration_us
        assert String.length(span.trace_id) == 32 and String.length(span.span_id) == 16
        assert abs(span.start_us - System.system_time(:microsecond)) < 3_600_000_000
      end

      test "spans nest", %{context: context} do
        code = """
        with erlang.Span("outer"):
            with erlang.Span("inner"):
                pass
            with erlang.Span("next"):
                pass
        with erlang.Span("other"):
            pass
        """

        spans = traced(code, context)
        %{"outer" => outer, "inner" => inner, "next" => next, "other" => other} = spans
        assert inner.parent_id == outer.span_id and next.parent_id == outer.span_id
        assert inner.trace_id == outer.trace_id
        assert other.parent_id == nil and other.trace_id != outer.trace_id
      end

      test "an exception that leaves a span is its error", %{context: context} do
        code = """
        try:
            with erlang.Span("failing"):
                raise ValueError("no")
        except ValueError:
            pass
        """

        assert %{"failing" => span} = traced(code, context)
        assert %{status: :error, error: "ValueError: no"} = span
      end

      test "calls of a function are spans", %{context: context} do
        code = """
        @erlang.trace
        def plain(a, b=2): return a + b

        @erlang.trace(name="named", table="orders")
        def other(): return plain(1)

        result = other(), plain.__name__
        """

        %{"named" => named} = spans = traced(code, context)
        assert named.attributes == %{"table" => "orders"}
        [{name, plain}] = Map.to_list(Map.delete(spans, "named"))
        assert String.ends_with?(name, ".plain")
        assert plain.parent_id == named.span_id
        assert Context.eval(context, "result") == {:ok, {3, "plain"}}
      end

      test "each task has its own, across awaits", %{context: context} do
        code = """
        import asyncio

        @erlang.trace(name="step")
        async def step(n):
            await asyncio.sleep(0.001)
            with erlang.Span(f"leaf {n}"):
                await asyncio.sleep(0)

        async def branch(n):
            async with erlang.Span(f"branch {n}"):
                await step(n)

        async def main():
            with erlang.Span("main"):
                await asyncio.gather(*(branch(n) for n in range(3)))

        erlang.run(main())
        """

        :ok = Context.exec(context, "import erlang\n" <> code)
        spans = Tracer.spans()
        assert length(spans) == 10
        named = fn name -> Enum.find(spans, &(&1.name == name)) end
        assert spans |> Enum.map(& &1.trace_id) |> Enum.uniq() |> length() == 1

        for n <- 0..2 do
          step = Enum.find(spans, &(&1.span_id == named.("leaf #{n}").parent_id))
          assert step.name == "step"
          assert step.parent_id == named.("branch #{n}").span_id
          assert named.("branch #{n}").parent_id == named.("main").span_id
        end
      end

      test "threads do not take each other's", %{context: context} do
        code = """
        import asyncio, threading

        def work(name):
            with erlang.Span(name):
                with erlang.Span(name + " inner"):
                    pass

        async def main():
            with erlang.Span("main"):
                await asyncio.to_thread(work, "handed")

        with erlang.Span("outer"):
            threads = [threading.Thread(target=work, args=(f"thread {n}",)) for n in range(4)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
        erlang.run(main())
        """

        spans = traced(code, context)

        for n <- 0..3 do
          assert spans["thread #{n} inner"].parent_id == spans["thread #{n}"].span_id
          assert spans["thread #{n}"].parent_id == nil
        end

        assert spans["handed"].parent_id == spans["main"].span_id
      end
    end
  end

  test "what a callback asks for belongs to the span around it" do
    inner = fn -> Py.exec("import erlang\nwith erlang.Span('inner'): pass") end
    code = "import erlang\nwith erlang.Span('outer'): fun()"
    {:ok, _} = Py.eval(code, %{fun: inner})
    assert [%{name: "inner"} = inner, %{name: "outer"} = outer] = Tracer.spans()
    assert inner.parent_id == outer.span_id
  end

  test "nothing is reported while nobody wants to know" do
    Tracer.disable()

    code =
      "import erlang\nwith erlang.Span('work') as span:\n    span.event('e')\n    span.set(a=1)"

    :ok = Py.exec(code)
    assert Tracer.spans() == []
  end

  test "a span that is open when that changes is not reported" do
    switch = fn -> Tracer.disable() end
    code = "import erlang\nTracer()\nwith erlang.Span('late'): pass"
    :ok = Py.exec("pass")
    assert {:ok, nil} = Py.eval(code, %{Tracer: fn -> switch.() && nil end})
    assert Tracer.spans() == []
  end

  test "the oldest spans go when there are too many" do
    Tracer.enable(max_spans: 3)
    :ok = Py.exec("import erlang\nfor n in range(5):\n    with erlang.Span(str(n)): pass")
    assert Enum.map(Tracer.spans(), & &1.name) == ["2", "3", "4"]
    Tracer.enable(max_spans: 1)
    assert Enum.map(Tracer.spans(), & &1.name) == ["4"]
    assert Tracer.clear() == :ok
    assert Tracer.spans() == []
    Tracer.enable()
  end

  test "a span is a telemetry event" do
    Events.attach([[:py, :span]])
    :ok = Py.exec("import erlang\nwith erlang.Span('work'): pass")
    assert_receive {[:py, :span], %{duration_us: duration}, %{name: "work"} = span}, 5_000
    assert span.duration_us == duration
  end

  test "spans are lost with the tracer, and the work goes on" do
    kill(Process.whereis(Tracer))
    assert eventually(fn -> Process.whereis(Tracer) != nil end)
    assert eventually(fn -> Py.eval("1") == {:ok, 1} end)
    assert Tracer.spans() == []
  end
end
