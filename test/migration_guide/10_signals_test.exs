defmodule MigrationGuide.SignalsTest do
  use Py.Case.Guide

  for call <- [
        "add_signal_handler(signal.SIGTERM, shutdown_handler)",
        "remove_signal_handler(signal.SIGTERM)"
      ] do
    test "#{call} is refused" do
      code = """
      import signal
      import asyncio
      import erlang

      def shutdown_handler():
          pass

      async def main():
          loop = asyncio.get_event_loop()
          loop.#{unquote(call)}

      erlang.run(main())
      """

      assert {:error, {:NotImplementedError, _message}} = :py.exec(:py.context(1), code)
    end
  end

  test "a signal is handled at the level of Erlang" do
    # In a BEAM of its own, since the signal is real.
    assert {:ok, :stopped, _output} = Py.Child.run({Py.Case.Guide, :handle_sigterm, []})
  end
end
