# A tour of what the library does, on real data (examples/data), with nothing but Python's
# standard library. `make demo` runs it; so does `mix run examples/tour.exs`.

Code.require_file("support/example.exs", __DIR__)

defmodule Tour do
  @moduledoc false

  import Example

  @python Path.expand("python", __DIR__)
  @earthquakes Path.expand("data/earthquakes.json", __DIR__)
  @weather Path.expand("data/weather.csv", __DIR__)

  def run do
    {elapsed, _last} =
      timed(fn ->
        machine()
        modes()
        contexts = open_contexts()
        earthquakes()
        weather()
        speed_up(contexts)
        namespaces()
        objects()
        errors()
      end)

    gap()
    say("That was the tour: #{seconds(elapsed)}.")
  end

  ## Where we are

  defp machine do
    title("Python, inside this VM")
    info = Py.info()
    [number | _build] = String.split(info.version, " ")

    say("Python #{number} with OTP #{info.otp}, Elixir #{info.elixir}")
    say("executable  #{info.executable}")
    say("library     #{info.libpython}")
  end

  defp modes do
    title("The modes of this machine")

    table(
      ["mode", "here", "how contexts run"],
      for row <- Py.Mode.all() do
        [inspect(row.name), here(row), if(row.supported, do: row.interpreter, else: needs(row))]
      end
    )
  end

  defp here(%{default: true}), do: "default"
  defp here(%{supported: supported}), do: if(supported, do: "yes", else: "no")
  defp needs(row), do: "needs #{row.requires}"

  # An application would set `config :erlang_python, paths: [...]` and leave the rest to the pool,
  # which opens its contexts when they are first wanted.
  defp open_contexts do
    {elapsed, contexts} = timed(fn -> Py.start_contexts() |> ok() end)

    for context <- contexts do
      Py.eval!("__import__('sys').path.insert(0, folder)", %{folder: @python}, context: context)
    end

    gap()
    say("Opened #{length(contexts)} contexts in #{milliseconds(elapsed)}.")
    contexts
  end

  ## Real work from many processes

  defp earthquakes do
    title("The earthquakes of a week in 2018: json, dataclasses and datetime")
    overview = Py.call!(:earthquakes, :overview, [@earthquakes])
    %{"networks" => networks, "days" => days} = overview
    questions = for network <- networks, day <- days, do: {network, day}

    {elapsed, answers} =
      timed(fn ->
        in_processes(questions, fn {network, day} ->
          Py.call!(:earthquakes, :summary, [@earthquakes, network, day])
        end)
      end)

    table(
      ["network"] ++ Enum.map(days, &Calendar.strftime(&1, "%a")) ++ ["strongest"],
      for network <- networks do
        summaries = for day <- days, do: answers[{network, day}]
        [network] ++ Enum.map(summaries, &"#{&1["count"]}") ++ [strongest(summaries)]
      end
    )

    gap()
    say("#{length(questions)} processes asked at once about #{overview["count"]} events, and all")
    say("had their answers, Elixir maps and dates, after #{milliseconds(elapsed)}.")
  end

  defp strongest(summaries) do
    quake = Enum.max_by(for(%{"strongest" => %{} = q} <- summaries, do: q), & &1["magnitude"])
    time = Calendar.strftime(quake["time"], "%a %H:%M")
    "#{decimals(quake["magnitude"])} on #{time}, #{quake["place"]}"
  end

  defp weather do
    title("Four years of weather: csv")
    questions = for city <- ["Seattle", "New York"], year <- 2012..2015, do: {city, year}
    ask = fn {city, year} -> Py.call!(:weather, :year, [@weather, city, year]) end
    {elapsed, answers} = timed(fn -> in_processes(questions, ask) end)

    table(
      ["city and year", "mean max", "rain or snow", "sunny days", "hottest day"],
      for {city, year} = question <- questions do
        %{"days" => days, "hottest" => {date, degrees}} = answer = answers[question]
        mean = decimals(answer["mean_max"]) <> " C"
        water = "#{round(answer["precipitation_mm"])} mm"
        ["#{city} #{year}", mean, water, "#{days["sun"]}", "#{date} with #{decimals(degrees)} C"]
      end
    )

    gap()
    say("#{length(questions)} processes had their answers after #{milliseconds(elapsed)}.")
  end

  defp speed_up(contexts) do
    title("Computing in parallel: which earthquake was farthest from any other?")
    count = length(contexts)
    shares = Enum.with_index(contexts)

    work = fn context, share ->
      Py.call!(:earthquakes, :loneliest, [@earthquakes, 1.0, share, count], context: context)
    end

    # Every context reads the file for itself: let that be done before the clock starts.
    for context <- contexts,
        do: Py.call!(:earthquakes, :overview, [@earthquakes], context: context)

    in_turn = fn -> for {_context, share} <- shares, do: work.(hd(contexts), share) end
    at_once = fn -> in_processes(shares, fn {context, share} -> work.(context, share) end) end

    # In alternation, and the best of each: others use this machine, too.
    rounds = for _ <- 1..3, do: {timed(in_turn), timed(at_once)}
    {alone, _results} = rounds |> Enum.map(&elem(&1, 0)) |> Enum.min()
    {together, results} = rounds |> Enum.map(&elem(&1, 1)) |> Enum.min()
    {distance, place} = results |> Map.values() |> Enum.max()

    say("Of magnitude 1 or more: #{place},")
    say("#{round(distance)} km from its nearest neighbour.")
    gap()
    say("all in one context    #{milliseconds(alone)}")
    say("over #{String.pad_trailing("#{count} contexts", 16)} #{milliseconds(together)}")
    say("speed-up              #{decimals(alone / together)} x#{expectation(contexts)}")
  end

  defp expectation([_context]), do: "; none was to be expected of one context"

  defp expectation([context | _others]) do
    case ok(Py.Context.info(context)) do
      %{mode: parallel} when parallel in [:own_gil, :free_threaded] -> ""
      _one_gil -> "; none was to be expected, as these contexts\n" <> one_gil()
    end
  end

  defp one_gil do
    String.duplicate(" ", 24) <>
      "share one GIL. From Python 3.12 on, in mode :own_gil, each has its own."
  end

  ## Names, objects, errors

  defp namespaces do
    title("Every process has a namespace of its own")

    tell = fn name ->
      Py.exec!("visitor = #{inspect(name)}")
      Py.eval!("f'the process of {visitor} sees {visitor}'")
    end

    for {_name, line} <- in_processes(["Ada", "Grace"], tell), do: say(line)

    {:error, error} = Py.eval("visitor")
    say("this one, which defined nothing, sees #{error.type}: #{error.message}")

    context = Py.context(1)
    Py.exec!("visitors = ['Ada', 'Grace']", context: context)
    shared = Task.async(fn -> Py.eval!("visitors", %{}, context: context) end) |> Task.await()
    say("those who name a context share what is in it: #{inspect(shared)}")
  end

  defp objects do
    title("An object that stays in Python")
    text = File.read!(@earthquakes)
    catalogue = Py.call!(:json, :loads, [text], return: :object)
    features = Py.Object.get_item!(catalogue, "features", return: :object)
    {elapsed, metadata} = timed(fn -> Py.Object.get_item!(catalogue, "metadata") end)

    say("#{inspect(catalogue)} stands for #{div(byte_size(text), 1000)} kB of JSON")
    say("its features: #{inspect(features)} of length #{Py.Object.len!(features)}")
    say("its metadata came over in #{div(elapsed, 1_000)} us: #{inspect(metadata["title"])}")
  end

  defp errors do
    title("When Python raises: half of that file")
    text = @earthquakes |> File.read!() |> binary_part(0, 600_000)
    {:error, error} = Py.call(:earthquakes, :parse, [text])

    say("type   #{error.type}")
    say("cause  #{error.cause.type}")
    frame = List.last(error.frames)
    say("frame  #{frame.function}, line #{frame.line} of #{Path.basename(frame.file)}")
    gap()
    for line <- error.traceback, do: say("  " <> line)
  end
end

Tour.run()
