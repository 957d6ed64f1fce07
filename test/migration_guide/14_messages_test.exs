defmodule MigrationGuide.MessagesTest do
  use Py.Case.Guide

  test "a message goes to a pid" do
    code = """
    import erlang
    # Send to a PID
    erlang.send(pid, "hello")
    """

    assert {:ok, _} = :py.eval(code, %{pid: self()})
    assert_receive "hello"
  end

  test "a message goes to a registered process of any node" do
    # In a BEAM of its own, which starts another one to send to.
    assert {:ok, message, _output} = Py.Child.run({Py.Case.Guide, :send_to_another_node, []})
    assert message == %{"event" => "user_login", "user" => 123}
  end

  test "a message to nobody is an error" do
    assert {:error, {"erlang.ProcessError", _}} =
             :py.exec("import erlang\nerlang.send('nobody_here', 1)")
  end
end
