defmodule Bench.Reference do
  @moduledoc false

  # What a call could cost without Python: the NIFs of native/bench_ref, which is built here on
  # demand and is no part of the library.

  @crate Path.expand("../../native/bench_ref", __DIR__)
  @target Path.expand("../../native/target/bench", __DIR__)

  @doc "Builds the crate, which takes a moment the first time, and loads it."
  def load do
    arguments = ~w(build --release --quiet --locked)

    case System.cmd("cargo", arguments, cd: @crate, env: [{"CARGO_TARGET_DIR", @target}]) do
      {_output, 0} -> load_library()
      {_output, status} -> raise "cargo ended with status #{status}; its messages are above"
    end
  end

  # The BEAM adds .so itself, on macOS too, where cargo calls it .dylib.
  defp load_library do
    release = Path.join(@target, "release")
    library = Path.join(release, "libbench_ref")

    if not File.exists?(library <> ".so"),
      do: File.cp!(library <> ".dylib", library <> ".so")

    :ok = :erlang.load_nif(String.to_charlist(library), 0)
  end

  @doc "Enters native code and returns."
  def noop, do: :erlang.nif_error(:not_loaded)

  @doc "Copies a binary to memory that has been written to before, by `memcpy`."
  def copy(_binary), do: :erlang.nif_error(:not_loaded)

  @doc "Copies a binary to a new one, by `memcpy`."
  def copy_to_new(_binary), do: :erlang.nif_error(:not_loaded)

  @doc """
  Hands so many bytes, 512 at most, over to a spinning thread, which reads them and answers with a
  word, all in memory. For one process.
  """
  def hand_over(_bytes), do: :erlang.nif_error(:not_loaded)

  @doc "Asks a thread for an answer that sleeps while it has nothing to do."
  def ping(:parked), do: answer(&ping_parked/2)

  # The same from a thread that keeps looking for 20 microseconds before it sleeps.
  def ping(:spinning), do: answer(&ping_spinning/2)

  @doc """
  How many requests of `size` bytes an echo server answers in a second, asked on so many
  connections by a thread without Python and without processes.
  """
  def echo(port, connections, size, milliseconds) do
    tag = make_ref()
    :ok = echo_load(self(), tag, port, connections, size, milliseconds)

    receive do
      {^tag, {answered, nanoseconds}} -> answered / (nanoseconds / 1.0e9)
      {^tag, error} -> raise error
    end
  end

  @doc "The port of an echo server without Python and without processes."
  def echo_server do
    {:ok, port} = echo_serve()
    port
  end

  defp answer(ping) do
    tag = make_ref()
    :ok = ping.(self(), tag)
    receive do: ({^tag, :pong} -> :ok)
  end

  def echo_load(_caller, _tag, _port, _connections, _size, _time),
    do: :erlang.nif_error(:not_loaded)

  def echo_serve, do: :erlang.nif_error(:not_loaded)
  def ping_parked(_caller, _tag), do: :erlang.nif_error(:not_loaded)
  def ping_spinning(_caller, _tag), do: :erlang.nif_error(:not_loaded)
end
