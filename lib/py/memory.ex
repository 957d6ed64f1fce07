defmodule Py.Memory do
  @moduledoc false

  # What the memory verbs of `Py` do. Memory and garbage collectors belong to interpreters, not to
  # contexts, of which there may be several in the main one; so each interpreter is asked once.

  alias Py.Context.Each
  alias Py.{Options, Request, Router}

  @doc "Sums over the interpreters of all open contexts, or of the one in the options."
  @spec stats(keyword) :: {:ok, map} | {:error, Exception.t()}
  def stats(opts) do
    options = Options.parse!(:memory_stats, opts)

    with {:ok, each} <- ask(:stats, [], options),
         do: {:ok, each |> sum() |> Map.put(:resident, resident())}
  end

  @doc "Collects garbage there, and answers with how many objects were found unreachable."
  @spec gc(keyword | 0..2) :: {:ok, non_neg_integer} | {:error, Exception.t()}
  def gc(generation) when is_integer(generation), do: gc(generation: generation)

  def gc(opts) do
    options = Options.parse!(:gc, opts)

    with {:ok, each} <- ask(:collect, [options.generation], options), do: {:ok, Enum.sum(each)}
  end

  # Tracing is the process's, and only the main interpreter always has the module for it.
  @doc "Has Python trace what it allocates, with so many frames for each block."
  @spec tracemalloc_start(pos_integer) :: :ok | {:error, Exception.t()}
  def tracemalloc_start(frames), do: in_main(:start, [frames])

  @doc "Ends that."
  @spec tracemalloc_stop() :: :ok | {:error, Exception.t()}
  def tracemalloc_stop, do: in_main(:stop, [])

  defp in_main(function, args) do
    with {:ok, nil} <- Request.call(:tracemalloc, function, args, pool: :worker), do: :ok
  end

  # Where nothing is open yet, the pool opens one.
  defp ask(function, args, %{context: nil, timeout: timeout} = options) do
    case Each.run({:call, "erlang._memory", function, args, []}, timeout) do
      {:ok, []} -> ask(function, args, %{options | context: Router.get_context()})
      {:ok, answers} -> {:ok, Enum.map(answers, &elem(&1, 1))}
      error -> error
    end
  end

  defp ask(function, args, %{context: context, timeout: timeout}) do
    opts = [context: context, timeout: timeout]

    with {:ok, answer} <- Request.call("erlang._memory", function, args, opts),
         do: {:ok, [answer]}
  end

  defp sum(each) do
    traced = Enum.find_value(each, [nil, nil], & &1["traced"])

    %{
      interpreters: length(each),
      tracked_objects: each |> Enum.map(& &1["tracked"]) |> Enum.sum(),
      gc_count: add(Enum.map(each, & &1["counts"])),
      gc_threshold: hd(each)["thresholds"],
      gc_stats: generations(Enum.map(each, & &1["generations"])),
      traced_current: hd(traced),
      traced_peak: List.last(traced)
    }
  end

  defp add(lists), do: lists |> Enum.zip() |> Enum.map(&(&1 |> Tuple.to_list() |> Enum.sum()))

  defp generations(each) do
    for generation <- Enum.zip(each) do
      generation = Tuple.to_list(generation)

      for key <- [:collections, :collected, :uncollectable], into: %{} do
        {key, generation |> Enum.map(& &1[Atom.to_string(key)]) |> Enum.sum()}
      end
    end
  end

  # Of all that is in this operating system process, where the system tells.
  defp resident do
    with {:ok, text} <- File.read("/proc/self/status"),
         [_line, kilobytes] <- Regex.run(~r/^VmRSS:\s+(\d+) kB$/m, text) do
      String.to_integer(kilobytes) * 1024
    else
      _unknown -> nil
    end
  end
end
