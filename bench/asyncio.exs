# How does an event loop on the BEAM compare with asyncio's own and with uvloop, and what does a
# coroutine cost that Elixir asks for?
#
# uvloop is installed beside the tests' packages when it is missing, or comes from the folder that
# BENCH_PACKAGES names. Where it cannot be had, the others are compared.

Code.require_file("support/bench.exs", __DIR__)
Code.require_file("support/packages.exs", __DIR__)

defmodule Bench.Asyncio do
  @moduledoc false

  @message :binary.copy("x", 1024)
  @milliseconds 700
  @rounds 3
  @idle_seconds 10
  @idle_contexts 100

  def run do
    Bench.header("What does an event loop on the BEAM do in a second?")
    # uvloop needs the main interpreter, so all are measured there.
    context = start([mode: :worker], Bench.Packages.folders("uvloop"))

    loops =
      for loop <- ~w(stdlib uvloop erlang),
          Py.call!("loops", "has", [loop], in_(context)),
          do: loop

    compare(context, loops)
    tasks()
    idle()
  end

  defp start(opts, packages \\ []) do
    {:ok, context} = Py.Context.start_link(opts)
    folders = [Path.join(__DIR__, "support") | packages]
    code = "import site\nfor folder in folders: site.addsitedir(folder)\nimport loops"
    {:ok, nil} = Py.eval(code, %{folders: folders}, in_(context))
    context
  end

  defp in_(context), do: [context: context, timeout: :infinity]

  ## Beside the others

  # The loops take turns, as a machine's mood changes, and the best round counts.
  defp compare(context, loops) do
    rows =
      for {title, measure} <- measures(context) do
        rounds = for _ <- 1..@rounds, do: for(loop <- loops, do: measure.(loop))
        best = rounds |> Enum.zip_with(&Enum.max/1)

        [title | Enum.map(best, &Bench.number/1)] ++
          ["#{ratio(best, loops, "stdlib")}"] ++ uvloop(best, loops)
      end

    last = if "uvloop" in loops, do: ["erlang : uvloop"], else: []

    Bench.table(
      ["a second, the best of #{@rounds}"] ++ loops ++ ["erlang : stdlib"] ++ last,
      rows
    )
  end

  defp uvloop(best, loops),
    do: if("uvloop" in loops, do: [ratio(best, loops, "uvloop")], else: [])

  defp ratio(best, loops, other) do
    figures = Map.new(Enum.zip(loops, best))
    Bench.number(figures["erlang"] / figures[other], 2)
  end

  defp measures(context) do
    inside = fn what, count -> &Py.call!("loops", "rate", [&1, what, count], in_(context)) end

    [
      {"echo of 1 KiB, 1 connection", &echo(context, &1, 1)},
      {"echo of 1 KiB, 50 connections", &echo(context, &1, 50)},
      {"switches by sleep(0)", inside.("switches", 50_000)},
      {"timers", inside.("timers", 50_000)},
      {"call_soon", inside.("callbacks", 100_000)}
    ]
  end

  # The clients are processes of the BEAM, the same for each loop.
  defp echo(context, loop, connections) do
    own = self()
    report = fn port, stop -> send(own, {:ports, port, stop}) end
    server = Py.spawn_call("loops", "serve", [loop, report], in_(context))
    {port, stop} = receive do: ({:ports, port, stop} -> {port, stop})
    rates = Bench.in_parallel(connections, fn _number -> client(port) end)
    {:ok, socket} = :gen_tcp.connect({127, 0, 0, 1}, stop, [])
    :ok = :gen_tcp.close(socket)
    {:ok, nil} = Py.await(server)
    Enum.sum(rates)
  end

  defp client(port) do
    options = [:binary, active: false, nodelay: true]
    {:ok, socket} = :gen_tcp.connect({127, 0, 0, 1}, port, options)
    {elapsed, count} = Bench.timed(fn -> exchange(socket, deadline(), 0) end)
    :gen_tcp.close(socket)
    count / (elapsed / 1.0e9)
  end

  defp exchange(socket, deadline, count) do
    if System.monotonic_time(:millisecond) < deadline do
      :ok = :gen_tcp.send(socket, @message)
      {:ok, @message} = :gen_tcp.recv(socket, byte_size(@message))
      exchange(socket, deadline, count + 1)
    else
      count
    end
  end

  defp deadline, do: System.monotonic_time(:millisecond) + @milliseconds

  ## From Elixir

  defp tasks do
    context = start([])

    rows =
      for {title, function} <- [{"returns at once", "value"}, {"sleeps for 0 seconds", "nap"}] do
        one = fn number ->
          {:ok, _} = context |> create(function, number) |> Py.EventLoop.await()
        end

        many = fn ->
          refs = for number <- 1..1_000, do: create(context, function, number)
          for ref <- refs, do: {:ok, _} = Py.EventLoop.await(ref)
        end

        %{p50: p50, p99: p99} = Bench.calls(1, @milliseconds, one)
        call = Bench.calls(1, @milliseconds, &Py.call!("loops", function, [&1], context: context))
        per_second = 1_000 / (Bench.median(50, many) / 1.0e9)
        alone = Py.call!("loops", "gathered", [function, 1_000, 50], in_(context))

        [
          title,
          Bench.number(p50, 1),
          Bench.number(p99, 1),
          Bench.number(call.p50, 1),
          Bench.number(per_second),
          Bench.number(alone)
        ]
      end

    head = [
      "a coroutine that",
      "task, p50 us",
      "p99 us",
      "Py.call, p50 us",
      "1,000 in flight: tasks/s",
      "by asyncio.gather: /s"
    ]

    Bench.table(head, rows)
    Py.Context.stop(context)
  end

  defp create(context, function, number),
    do: Py.EventLoop.create_task(context, "loops", function, [number])

  ## While nothing happens

  defp idle do
    open = fn ->
      for _ <- 1..@idle_contexts do
        context = start(mode: :worker)
        {context, create_idle(context)}
      end
    end

    close = fn waiting ->
      for {context, task} <- waiting do
        Py.EventLoop.cancel(task)
        Py.Context.stop(context)
      end
    end

    Bench.idle(
      @idle_seconds,
      "#{@idle_contexts} contexts, each with a loop that waits",
      open,
      close
    )
  end

  defp create_idle(context), do: Py.EventLoop.create_task(context, "loops", "wait_for_ever", [])
end

Bench.Asyncio.run()
