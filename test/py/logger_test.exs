defmodule Py.LoggerTest do
  # The level is everyone's.
  use Py.Case, async: false

  alias Py.Case.Records
  alias Py.Context

  doctest Py.Logger

  setup do
    Records.start()
    # What is set in the main interpreter stays, whoever has set it.
    Py.Logger.configure(level: :warning)

    on_exit(fn -> Py.Logger.configure(level: :warning) end)
  end

  for %{name: mode, supported: true} <- Py.Mode.all() do
    test "the level holds in contexts of #{mode}, open ones and later ones" do
      before = start_context(mode: unquote(mode))
      :ok = Context.exec(before, "import logging\nlogging.info('too early')")
      assert Py.Logger.configure(level: :info) == :ok
      later = start_context(mode: unquote(mode))

      for {context, name} <- [{before, "before"}, {later, "later"}] do
        code = "import logging\nlogging.debug('no #{name}')\nlogging.info('yes #{name}')"
        :ok = Context.exec(context, code)
        text = "yes #{name}"
        assert_receive {:logged, :info, ^text, _metadata}, 5_000
      end

      refute_received {:logged, _, "too early", _}
      refute_received {:logged, _, "no before", _}
      refute_received {:logged, _, "no later", _}
    end
  end

  test "without a level it is that of Logger, and none is none" do
    context = start_context()
    level = Logger.level()
    on_exit(fn -> Logger.configure(level: level) end)
    Logger.configure(level: :error)
    :ok = Py.Logger.configure()
    assert Context.eval(context, "import logging\nlogging.getLogger().level") == {:ok, 40}
    :ok = Py.Logger.configure(level: :none)
    :ok = Context.exec(context, "logging.critical('nobody hears this')")
    refute_received {:logged, _, "nobody hears this", _}
  end

  test "a level that does not exist is refused" do
    assert_raise ArgumentError, ~r/:loud is not a value/, fn ->
      Py.Logger.configure(level: :loud)
    end
  end

  test "an interpreter sets itself up from within" do
    context = start_context()

    code = """
    import erlang, logging, io
    logging.basicConfig(stream=io.StringIO(), force=True)
    erlang.setup_logging("DEBUG", format="%(name)s says %(message)s")
    logging.getLogger("shop").debug("hello")
    """

    :ok = Context.exec(context, code)
    assert_receive {:logged, :debug, "shop says hello", %{py_logger: "shop"}}, 5_000
    :ok = Context.exec(context, "erlang.setup_logging('WARNING')")
    :ok = Context.exec(context, "logging.getLogger('shop').warning('plain')")
    assert_receive {:logged, :warning, "plain", _metadata}, 5_000
  end
end
