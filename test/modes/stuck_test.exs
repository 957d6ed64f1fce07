defmodule Py.Modes.StuckTest do
  # Code in C that does not come back, in every mode. Other tests abandon threads as well.
  use Py.Case, async: false

  alias Py.{Context, ContextError}

  @moduletag :capture_log

  # Enough for Python to get as far as C, where no interrupt gets at it.
  @time 1_000

  # Both wait until the pipe is closed: in a call of the system's, and at a lock that a thread
  # lets go then.
  @waits %{
    "a call of the system" => "open(pipe).read()",
    "a lock" => """
    import threading
    lock = threading.Lock()
    def let_go(file):
        with lock:
            taken.set()
            file.read()
    taken = threading.Event()
    threading.Thread(target=let_go, args=(open(pipe),)).start()
    taken.wait()
    lock.acquire()
    """
  }

  for %{name: mode, supported: true} <- Py.Mode.all(), {wait, code} <- @waits do
    test "#{mode}: #{wait} that does not end costs its caller its time, and its context" do
      name = __MODULE__.Stuck
      children = [{Context, name: name, mode: unquote(mode), grace: 20}]
      {:ok, supervisor} = Supervisor.start_link(children, strategy: :one_for_one)
      first = Process.whereis(name)
      monitor = Process.monitor(first)
      assert eventually(fn -> Py.info().abandoned_threads == 0 end)

      # Nobody has closed the pipe by the time that there is an answer.
      {port, task} = occupy(name, unquote(code), timeout: @time)
      assert Task.await(task, 20_000) == {:error, %ContextError{reason: :timeout}}
      assert_receive {:DOWN, ^monitor, :process, ^first, :stuck}, 20_000
      assert Py.info().abandoned_threads == 1
      assert Context.eval(first, "1") == {:error, %ContextError{reason: :closed}}

      # Another one is there, which the thread of the first does not hold up.
      assert eventually(fn -> Context.eval(name, "1 + 1") == {:ok, 2} end)
      assert Py.info().abandoned_threads == 1

      # What comes back after all is gone then.
      Port.close(port)
      assert eventually(fn -> Py.info().abandoned_threads == 0 end)
      assert Context.eval(name, "1 + 1") == {:ok, 2}
      Supervisor.stop(supervisor)
    end
  end
end
