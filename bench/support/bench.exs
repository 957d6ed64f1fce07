defmodule Bench do
  @moduledoc false

  # What the scripts share: the facts every result needs beside it, a way to time a call, and a
  # table. Work to be measured has to be in a module, as here: what stands directly in a script is
  # interpreted, which costs more than a call.

  @warm_up_ms 100
  @calls_per_look 32

  @doc "Says where and with what the figures below were made."
  def header(title) do
    info = Py.info()
    puts(["# ", title, "\n"])

    for {label, value} <- [
          {"CPU", "#{cpu()}, #{:erlang.system_info(:logical_processors_available)} cores"},
          {"BEAM", "OTP #{info.otp}, Elixir #{info.elixir}, #{schedulers()}"},
          {"Python", "#{info.version |> String.split(" ") |> hd()}#{gil(info)}"},
          {"mode", "#{default_mode().name}, pool of #{info.num_contexts}"}
        ],
        do: puts([String.pad_trailing(label, 8), value])

    puts("")
  end

  @doc "The row of the mode that contexts get here when none is asked for."
  def default_mode, do: Enum.find(Py.Mode.all(), & &1.default)

  @doc "The names of the modes this Python has."
  def modes, do: for(%{supported: true, name: name} <- Py.Mode.all(), do: name)

  @doc "An IO device that takes all that is written and keeps nothing."
  def device do
    receive do
      {:io_request, from, reference, _request} -> send(from, {:io_reply, reference, :ok})
    end

    device()
  end

  ## Timing

  @doc """
  Runs `work.(number)` in so many processes at once, first to count and then to time every call.

  Answers with `:p50` and `:p99` in microseconds and `:rate` in calls a second. The two come from
  separate rounds, as looking at the clock before and after each call would slow the count.
  """
  def calls(processes, milliseconds, work) do
    in_parallel(processes, &rate(work, &1, @warm_up_ms))
    rates = in_parallel(processes, &rate(work, &1, milliseconds))

    samples =
      processes
      |> in_parallel(&sample(work, &1, deadline(milliseconds), []))
      |> Enum.concat()
      |> Enum.sort()
      |> List.to_tuple()

    overhead = clock_overhead()
    microseconds = fn share -> max(percentile(samples, share) - overhead, 0) / 1_000 end
    %{p50: microseconds.(0.5), p99: microseconds.(0.99), rate: Enum.sum(rates)}
  end

  @doc "Runs `fun` and answers with the nanoseconds it took and its result."
  def timed(fun) do
    start = now()
    result = fun.()
    {now() - start, result}
  end

  @doc "The median time of so many runs of `fun`, in nanoseconds, after one to warm up."
  def median(runs, fun) do
    fun.()
    median(for _ <- 1..runs, do: fun |> timed() |> elem(0))
  end

  @doc "The median of a list."
  def median(values), do: values |> Enum.sort() |> Enum.at(div(length(values), 2))

  @doc "Runs `fun.(1)` to `fun.(processes)`, each in a process of its own; all start together."
  def in_parallel(processes, fun) do
    parent = self()

    workers =
      for number <- 1..processes do
        # A large first heap, so that collecting samples is not what is measured.
        :erlang.spawn_opt(
          fn ->
            receive do: (:go -> send(parent, {self(), fun.(number)}))
          end,
          [:link, min_heap_size: 100_000]
        )
      end

    Enum.each(workers, &send(&1, :go))
    for worker <- workers, do: receive(do: ({^worker, result} -> result))
  end

  # A process counts over its own time, in which neither it nor the others are being started.
  defp rate(work, number, milliseconds) do
    {elapsed, done} = timed(fn -> count(work, number, deadline(milliseconds), 0) end)
    done / (elapsed / 1.0e9)
  end

  defp count(work, number, deadline, done) do
    if now() < deadline do
      repeat(work, number, @calls_per_look)
      count(work, number, deadline, done + @calls_per_look)
    else
      done
    end
  end

  defp repeat(_work, _number, 0), do: :ok

  defp repeat(work, number, left) do
    work.(number)
    repeat(work, number, left - 1)
  end

  defp sample(work, number, deadline, samples) do
    start = now()
    work.(number)
    stop = now()

    if stop < deadline,
      do: sample(work, number, deadline, [stop - start | samples]),
      else: samples
  end

  # What two looks at the clock cost with nothing between them.
  defp clock_overhead do
    samples = sample(fn _number -> :ok end, 1, deadline(20), [])
    samples |> Enum.sort() |> List.to_tuple() |> percentile(0.5)
  end

  # A call may take longer than its round: then there is no sample at all.
  defp percentile({}, _share), do: 0
  defp percentile(sorted, share), do: elem(sorted, trunc((tuple_size(sorted) - 1) * share))

  defp deadline(milliseconds), do: now() + milliseconds * 1_000_000
  defp now, do: System.monotonic_time(:nanosecond)

  ## Memory

  @doc "The resident memory of this OS process in kB, after collecting what this process can."
  def resident do
    :erlang.garbage_collect()

    case File.read("/proc/self/status") do
      {:ok, status} -> Regex.run(~r/VmRSS:\s+(\d+)/, status) |> List.last() |> String.to_integer()
      {:error, _} -> resident_by_ps()
    end
  end

  defp resident_by_ps do
    {text, 0} = System.cmd("ps", ["-o", "rss=", "-p", System.pid()])
    text |> String.trim() |> String.to_integer()
  end

  ## Processor time

  @doc "Prints what this OS process takes of a core while what `open` makes waits, and before that."
  def idle(seconds, label, open, close) do
    before = cpu_share(seconds)
    made = open.()
    share = cpu_share(seconds)
    close.(made)

    table(["CPU over #{seconds} s", "% of a core"], [
      ["before", number(before, 2)],
      [label, number(share, 2)]
    ])
  end

  @doc "Waits until threads that were abandoned have computed what they had to, a minute at most."
  def quiet(looks \\ 30)
  def quiet(0), do: :ok
  def quiet(looks), do: if(cpu_share(1) > 10, do: quiet(looks - 1), else: :ok)

  defp cpu_share(seconds) do
    # What the work before has left to do is not what is meant.
    Process.sleep(1_000)
    start = processor_time()
    Process.sleep(seconds * 1_000)
    (processor_time() - start) / seconds
  end

  # In hundredths of a second of one core, which is per cent when divided by seconds.
  defp processor_time do
    case File.read("/proc/self/stat") do
      {:ok, stat} ->
        [_name, rest] = String.split(stat, ") ", parts: 2)

        rest
        |> String.split()
        |> Enum.slice(11, 2)
        |> Enum.map(&String.to_integer/1)
        |> Enum.sum()

      {:error, _} ->
        processor_time_by_ps()
    end
  end

  # As minutes and seconds, on macOS with hundredths.
  defp processor_time_by_ps do
    {text, 0} = System.cmd("ps", ["-o", "time=", "-p", System.pid()])

    parts =
      for part <- text |> String.trim() |> String.split(":"), do: part |> Float.parse() |> elem(0)

    100 * Enum.reduce(parts, 0, &(&2 * 60 + &1))
  end

  ## Output

  @doc "Prints a Markdown table. Cells are text; the first column is aligned left."
  def table(head, rows) do
    widths =
      for column <- 0..(length(head) - 1) do
        [head | rows] |> Enum.map(&String.length(Enum.at(&1, column))) |> Enum.max()
      end

    rule = for {width, column} <- Enum.with_index(widths), do: rule(width, column)
    Enum.each([head, rule | rows], &puts(line(&1, widths)))
    puts("")
  end

  defp rule(width, 0), do: String.duplicate("-", width)
  defp rule(width, _column), do: String.duplicate("-", width - 1) <> ":"

  defp line(cells, widths) do
    cells
    |> Enum.zip(widths)
    |> Enum.with_index(fn {cell, width}, column ->
      ["| ", if(column == 0, do: pad_right(cell, width), else: pad_left(cell, width)), " "]
    end)
    |> Enum.concat(["|"])
  end

  defp pad_right(cell, width), do: String.pad_trailing(cell, width)
  defp pad_left(cell, width), do: String.pad_leading(cell, width)

  @doc "A number with so many decimals, and its thousands set apart."
  def number(value, decimals \\ 0) do
    [whole | fraction] = (value / 1) |> :erlang.float_to_binary(decimals: decimals) |> split()
    whole = Regex.replace(~r/\B(?=(\d{3})+$)/, whole, ",")
    Enum.join([whole | fraction], ".")
  end

  defp split(text), do: String.split(text, ".")

  @doc "Plain text: results are meant to be copied, so there are no colours in them."
  def puts(text), do: IO.puts(text)

  ## Facts

  defp schedulers do
    flavour = :erlang.system_info(:emu_flavor)
    "#{flavour} emulator, #{:erlang.system_info(:schedulers_online)} schedulers"
  end

  defp gil(%{free_threaded: true}), do: ", free-threaded"
  defp gil(_info), do: ""

  defp cpu do
    with {:ok, text} <- File.read("/proc/cpuinfo"),
         [_, name] <- Regex.run(~r/^model name\s*: (.+)$/m, text) do
      name
    else
      _ -> to_string(:erlang.system_info(:system_architecture))
    end
  end
end
