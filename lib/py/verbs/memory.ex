defmodule Py.Verbs.Memory do
  @moduledoc false
  # The verbs of `Py` that look after memory. `use` defines and documents them in `Py`.

  import Py.Verbs.Twins

  alias Py.{Memory, Options}

  defmacro __using__(_opts) do
    quote location: :keep do
      @doc """
      What Python's memory looks like, summed over the interpreters of all open contexts.

        * `:interpreters` - how many there are
        * `:tracked_objects` - objects that their garbage collectors watch
        * `:gc_count`, `:gc_threshold`, `:gc_stats` - by generation, as the functions of Python's
          module `gc` have them; the thresholds are one interpreter's
        * `:traced_current`, `:traced_peak` - bytes that Python has allocated since
          `tracemalloc_start/1`, or `nil`
        * `:resident` - bytes that the whole operating system process takes, or `nil` where the
          system does not tell

      Each interpreter is asked in its turn, after the requests that wait there already. With the
      option `context:` it is that context's alone; `timeout:` says for how many milliseconds to
      wait, by default #{Options.default(:timeout)}.

          iex> {:ok, stats} = Py.memory_stats()
          iex> stats.tracked_objects > 1_000 and length(stats.gc_count) == 3
          true

      """
      @spec memory_stats(keyword) :: {:ok, map} | {:error, Exception.t()}
      defdelegate memory_stats(opts \\ []), to: Memory, as: :stats

      @doc "Like `memory_stats/1`, but answers with the map and raises the error."
      deftwin memory_stats!(opts :: keyword \\ []) :: map

      @doc """
      Runs Python's garbage collector in the interpreters of all open contexts, and answers with
      how many objects it found unreachable.

      A number, or the option `generation:`, says which generation of objects is the oldest to look
      at; without it, that is 2 and means all. The other options are those of `memory_stats/1`.

          iex> {:ok, collected} = Py.gc()
          iex> collected >= 0
          true
          iex> {:ok, collected} = Py.gc(0)
          iex> collected >= 0
          true

      """
      @spec gc(keyword | 0..2) :: {:ok, non_neg_integer} | {:error, Exception.t()}
      defdelegate gc(opts \\ []), to: Memory

      @doc "Like `gc/1`, but answers with the number and raises the error."
      deftwin gc!(opts :: keyword | 0..2 \\ []) :: non_neg_integer

      @doc """
      Has Python trace the memory that it allocates from now on, in all interpreters, and keep so
      many frames of the stack for each block. Everything takes several times as long meanwhile.

      `memory_stats/1` then says how much it is. Where it comes from, a snapshot tells, which the
      main interpreter takes: `Py.call(:tracemalloc, :take_snapshot, [], pool: :worker)`.

      Python's module for that relies on one GIL, so there is none of this where interpreters may
      have their own, which is from Python 3.12 on but for free-threaded builds: there the answer
      is a `RuntimeError` that says so.

          :ok = Py.tracemalloc_start()
          true = Py.memory_stats!().traced_peak >= 0
          :ok = Py.tracemalloc_stop()

      """
      @spec tracemalloc_start(pos_integer) :: :ok | {:error, Exception.t()}
      defdelegate tracemalloc_start(frames \\ 1), to: Memory

      @doc "Like `tracemalloc_start/1`, but raises the error."
      deftwin tracemalloc_start!(frames :: pos_integer \\ 1) :: :ok

      @doc """
      Ends what `tracemalloc_start/1` began, and forgets what was traced.

          iex> Py.tracemalloc_stop()
          :ok

      """
      @spec tracemalloc_stop() :: :ok | {:error, Exception.t()}
      defdelegate tracemalloc_stop(), to: Memory

      @doc """
      Like `tracemalloc_stop/0`, but raises the error.

          iex> Py.tracemalloc_stop!()
          :ok

      """
      deftwin tracemalloc_stop!() :: :ok
    end
  end
end
