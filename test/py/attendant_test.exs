defmodule Py.AttendantTest do
  use Py.Case, async: true

  import ExUnit.CaptureIO

  alias Py.Attendant.Devices
  alias Py.Case.Records

  # What the native side would send.
  defp tell(message), do: send(Py.Attendant, message)
  defp done, do: :sys.get_state(Py.Attendant)

  test "writes to the leader that is named, else to the caller's, in order" do
    text =
      capture_io(fn ->
        leader = Process.group_leader()
        tell({:output, leader, nil, :stdout, "a"})
        tell({:output, nil, self(), :stdout, "b"})
        tell({:output, leader, self(), :stdout, <<"c", 255>>})
        assert eventually(fn -> Devices.quiet?(done().devices) end)
        IO.write("d")
      end)

    assert text == "abc\uFFFDd"
  end

  test "is not held up by a device that never answers or is gone" do
    deaf = spawn(fn -> receive do: (:never -> :ok) end)
    gone = spawn(fn -> :ok end)
    for device <- [deaf, gone], do: tell({:output, device, nil, :stdout, "x"})
    assert done()
    kill(deaf)
    assert eventually(fn -> Devices.quiet?(done().devices) end)
  end

  test "sends to names and aliases, and survives those that lead nowhere" do
    Process.register(self(), __MODULE__)
    alias = :erlang.alias()
    tell({:send, {__MODULE__, node()}, :by_name})
    tell({:send, alias, :by_alias})
    tell({:send, {:nobody, node()}, :lost})
    assert_receive :by_name, 5_000
    assert_receive :by_alias, 5_000
    assert done()
  end

  test "runs what is cast, with its caller among the callers, and logs a crash" do
    Records.start()
    parent = self()
    tell({:cast, self(), fn n -> send(parent, {:ran, n, Process.get(:"$callers")}) end, [1]})
    assert_receive {:ran, 1, [^parent]}, 5_000
    tell({:cast, nil, fn -> raise "crashed in a cast" end, []})
    assert Records.logged!(:error, "crashed in a cast")
  end

  test "logs with the process it is about" do
    Records.start()
    parent = self()
    tell({:log, self(), :warning, "attended", %{"logger" => "root", "line" => 7}})
    assert_receive {:logged, :warning, "attended", %{pid: ^parent, line: 7}}, 5_000
  end

  test "takes no notice of messages it does not know" do
    tell(:nonsense)
    assert done()
  end
end
