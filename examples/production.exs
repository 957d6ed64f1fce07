# What an application does around its calls: packages from PyPI in an environment of its own, a
# pool for what waits, functions for Python, streams, shared state, and a look at what takes how
# long and how things stand. `make demo` runs it after the tour; so does
# `mix run examples/production.exs`.

Code.require_file("support/example.exs", __DIR__)

defmodule Production do
  @moduledoc false

  import Example

  # An application has it from Hex; without it this library emits no events.
  @compile {:no_warn_undefined, :telemetry}

  @python Path.expand("python", __DIR__)
  @earthquakes Path.expand("data/earthquakes.json", __DIR__)
  @venv Path.expand("../_build/demo/venv-#{Py.Runtime.python().tag}", __DIR__)

  def run do
    {elapsed, _last} =
      timed(fn ->
        environment()
        packages()
        pool()
        callback()
        stream()
        state()
        spans()
        telemetry()
        figures()
      end)

    gap()
    say("That was production: #{seconds(elapsed)}.")
  end

  # An application would say `config :erlang_python, venv: {folder, requirements}, paths: [...]`.
  defp environment do
    title("A virtual environment, made when it is missing")
    {elapsed, answer} = timed(fn -> Py.Venv.ensure(@venv, ["tabulate==0.9.0"]) end)
    if match?({:error, _exception}, answer), do: raise(elem(answer, 1))
    {:ok, %{venv_path: path}} = Py.Venv.info()

    say("#{Path.relative_to_cwd(path)}, after #{milliseconds(elapsed)}; every context sees it")

    for context <- Py.start_contexts() |> ok() do
      Py.eval!("__import__('sys').path.insert(0, folder)", %{folder: @python}, context: context)
    end
  end

  defp packages do
    title("A package from PyPI: tabulate prints what Elixir has")
    %{"networks" => networks, "days" => days} = Py.call!(:earthquakes, :overview, [@earthquakes])

    rows =
      for network <- Enum.take(networks, 3) do
        [network | for(day <- Enum.take(days, 4), do: count(network, day))]
      end

    headers = ["network" | Enum.map(Enum.take(days, 4), &Calendar.strftime(&1, "%a %d %b"))]
    options = [headers: headers, tablefmt: "rounded_outline"]
    text = Py.call!(:tabulate, :tabulate, [rows], kwargs: options)
    for line <- String.split(text, "\n"), do: say(line)
  end

  defp count(network, day),
    do: Py.call!(:earthquakes, :summary, [@earthquakes, network, day])["count"]

  # Calls that wait, for a service far away, should not take the places of those that compute.
  defp pool do
    title("A pool for what waits")
    {:ok, contexts} = Py.Router.start_pool(:io, 10, mode: :worker)
    wait = fn _n -> Py.eval!("import erlang\nerlang.sleep(0.2)", %{}, pool: :io) end
    in_processes(1..10, wait)
    {elapsed, _answers} = timed(fn -> in_processes(1..20, wait) end)

    say("#{length(contexts)} contexts in the pool :io; 20 processes waited 200 ms each, and all")
    say("were done after #{milliseconds(elapsed)}, while the pool :default had nothing to do")
  end

  defp callback do
    title("Python calls Elixir, in the process that called Python")
    Logger.metadata(request: "demo-1")
    Py.register_function(:price, fn [item] -> %{"tea" => 3, "pot" => 12}[item] end)
    request = fn -> Logger.metadata()[:request] end

    code = """
    from erlang import price
    f"{sum(price(item) for item in basket)} for {' and '.join(basket)}, asked for by {request()}"
    """

    say(Py.eval!(code, %{basket: ["tea", "pot"], request: request}))
  end

  defp stream do
    title("A generator is a stream: the strongest of the week, one by one")
    text = File.read!(@earthquakes)

    code = """
    import json

    def strongest(text):
        events = [feature["properties"] for feature in json.loads(text)["features"]]
        for event in sorted(events, key=lambda event: -(event["mag"] or 0)):
            yield event["mag"], event["place"]

    strongest(text)
    """

    code
    |> Py.stream_eval(%{text: text}, batch: 3)
    |> Stream.filter(fn {_magnitude, place} -> place =~ "Alaska" end)
    |> Enum.take(3)
    |> Enum.each(fn {magnitude, place} -> say("#{decimals(magnitude)}  #{place}") end)
  end

  defp state do
    title("State that all contexts share")
    code = "import erlang\nerlang.state_incr('visits')"
    count = fn _n -> Py.eval!(code) end
    Py.State.remove("visits")
    in_processes(1..100, count)
    say("100 processes counted in #{Py.info().open_contexts} contexts: #{Py.State.get("visits")}")
  end

  defp spans do
    title("What took how long")
    Py.Tracer.enable()

    Py.exec!("""
    import erlang, json

    with erlang.Span("report", kind="demo"):
        with erlang.Span("load"), open(#{inspect(@earthquakes)}) as file:
            data = json.load(file)
        with erlang.Span("count") as span:
            span.set(events=len(data["features"]))
    """)

    for span <- Py.Tracer.spans() do
      indent = if span.parent_id, do: "  ", else: ""
      name = String.pad_trailing(indent <> span.name, 12)
      say("#{name} #{milliseconds(span.duration_us * 1_000)}  #{inspect(span.attributes)}")
    end

    Py.Tracer.disable()
    Py.Tracer.clear()
  end

  # Handlers run in the process that calls.
  defp telemetry do
    title("Telemetry: an event for each call")

    if Code.ensure_loaded?(:telemetry) do
      events = [[:py, :call, :stop], [:py, :call, :exception]]
      :ok = :telemetry.attach_many("demo", events, &__MODULE__.tell/4, nil)
      Py.Telemetry.enable()
      Py.call!(:earthquakes, :overview, [@earthquakes])
      {:error, _out_of_range} = Py.call(:math, :sqrt, [-1])
      Py.Telemetry.disable()
      :telemetry.detach("demo")
    else
      say("none here, as the library :telemetry is not installed; Hex brings it")
    end
  end

  def tell([:py, :call, outcome], times, call, _config) do
    parts =
      for part <- [:duration, :queue, :convert, :run] do
        time = System.convert_time_unit(times[part], :native, :nanosecond)
        "#{part} #{milliseconds(time)}"
      end

    say("#{outcome}: #{call.module}.#{call.function}, #{Enum.join(parts, ", ")}")
  end

  # What `Py.Telemetry.measure/0` gives to a poller, and more, can be asked for at any time.
  defp figures do
    title("How things stand")

    for {name, pool} <- Py.info().pools do
      name = String.pad_trailing(inspect(name), 9)
      say("#{name} #{pool.open} of #{pool.size} open, #{pool.busy} busy, #{pool.queue} waiting")
    end

    %{served: served, objects: objects} = Py.Context.info!(Py.context(1))
    memory = Py.memory_stats!()
    gap()

    say(
      "the first context has served #{served} requests and holds #{objects} objects for Elixir;"
    )

    say(
      "#{memory.interpreters} interpreters watch #{memory.tracked_objects} objects#{taken(memory)}"
    )
  end

  defp taken(%{resident: nil}), do: ""
  defp taken(%{resident: bytes}), do: ", and the whole process takes #{div(bytes, 1_000_000)} MB"
end

Production.run()
