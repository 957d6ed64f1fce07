defmodule FacadeTest do
  # The router's functions act on the pool that everyone uses.
  use Py.Case, async: false

  alias Py.{Channel, Context, EventLoop, Object, Reactor, Router}

  # Every exported Erlang function and the Elixir function it stands for.
  @twins %{
    py: [
      call: {3..5, Py, :call},
      eval: {1..3, Py, :eval},
      exec: {1..2, Py, :exec},
      spawn_call: {3..5, Py, :spawn_call},
      await: {1..2, Py, :await},
      cancel: {1..1, Py, :cancel},
      cast: {3..4, Py, :cast},
      parallel: {1..1, Py, :parallel},
      async_call: {3..4, Py, :async_call},
      async_await: {1..2, Py, :async_await},
      async_gather: {1..1, Py, :async_gather},
      stream: {3..4, Py, :stream},
      stream_eval: {1..2, Py, :stream_eval},
      stream_start: {3..4, Py, :stream_start},
      stream_cancel: {1..1, Py, :stream_cancel},
      register_function: {2..3, Py, :register_function},
      unregister_function: {1..1, Py, :unregister_function},
      call_method: {3..3, Object, :call_method},
      getattr: {2..2, Object, :getattr},
      to_term: {1..1, Object, :to_term},
      is_ref: {1..1, Kernel, :is_struct},
      bytes: {1..1, Py, :bytes},
      buffer: {1..1, Py, :buffer},
      json: {1..1, Py, :json},
      dup_fd: {1..1, Py, :dup_fd},
      context: {0..1, Py, :context},
      start_contexts: {0..1, Py, :start_contexts},
      stop_contexts: {0..0, Py, :stop_contexts},
      contexts_started: {0..0, Py, :contexts_started?},
      register_pool: {2..2, Router, :register_pool},
      unregister_pool: {1..1, Router, :unregister_pool},
      state_fetch: {1..1, Py.State, :fetch},
      state_store: {2..2, Py.State, :store},
      state_remove: {1..1, Py.State, :remove},
      state_keys: {0..0, Py.State, :keys},
      state_clear: {0..0, Py.State, :clear},
      state_incr: {1..2, Py.State, :incr},
      state_decr: {1..2, Py.State, :decr},
      ensure_venv: {2..3, Py.Venv, :ensure},
      activate_venv: {1..1, Py.Venv, :activate},
      deactivate_venv: {0..0, Py.Venv, :deactivate},
      venv_info: {0..0, Py.Venv, :info},
      reload: {1..1, Py, :reload},
      configure_logging: {0..1, Py.Logger, :configure},
      enable_tracing: {0..0, Py.Tracer, :enable},
      disable_tracing: {0..0, Py.Tracer, :disable},
      get_traces: {0..0, Py.Tracer, :spans},
      clear_traces: {0..0, Py.Tracer, :clear},
      memory_stats: {0..0, Py, :memory_stats},
      gc: {0..1, Py, :gc},
      tracemalloc_start: {0..1, Py, :tracemalloc_start},
      tracemalloc_stop: {0..0, Py, :tracemalloc_stop},
      version: {0..0, Py, :version},
      execution_mode: {0..0, Py, :execution_mode},
      subinterp_supported: {0..0, Py, :subinterp_supported?},
      info: {0..0, Py, :info}
    ],
    py_context: [
      start_link: {2..2, Context, :start_link},
      stop: {1..1, Context, :stop},
      call: {5..6, Context, :call},
      eval: {3..4, Context, :eval},
      exec: {2..2, Context, :exec},
      call_method: {4..4, Context, :call_method},
      to_term: {1..1, Object, :to_term},
      get_interp_id: {1..1, Context, :info}
    ],
    py_event_loop: [
      run: {3..5, EventLoop, :run},
      create_task: {3..5, EventLoop, :create_task},
      await: {1..2, EventLoop, :await},
      cancel: {1..1, EventLoop, :cancel},
      spawn_task: {3..5, EventLoop, :spawn_task}
    ],
    py_channel: [
      new: {0..1, Channel, :new},
      send: {2..3, Channel, :send},
      receive: {1..2, Channel, :receive},
      close: {1..1, Channel, :close},
      info: {1..1, Channel, :info},
      subscribe: {1..2, Channel, :subscribe},
      ask: {3..3, Channel, :ask},
      unsubscribe: {2..2, Channel, :unsubscribe}
    ],
    py_reactor_context: [
      start_link: {2..3, Reactor, :start_link},
      handoff: {2..3, Reactor, :handoff},
      stats: {1..1, Reactor, :stats},
      stop: {1..1, Reactor, :stop}
    ],
    py_context_router: [
      start: {0..1, Router, :start},
      stop: {0..0, Router, :stop},
      is_started: {0..0, Router, :started?},
      get_context: {0..1, Router, :get_context},
      num_contexts: {0..1, Router, :num_contexts},
      contexts: {0..1, Router, :contexts},
      bind_context: {1..2, Router, :bind_context},
      unbind_context: {0..1, Router, :unbind_context},
      start_pool: {2..3, Router, :start_pool},
      stop_pool: {1..2, Router, :stop_pool},
      resize_pool: {2..3, Router, :resize_pool},
      pool_started: {1..1, Router, :pool_started?},
      register_pool: {2..3, Router, :register_pool},
      unregister_pool: {1..2, Router, :unregister_pool},
      lookup_pool: {2..2, Router, :lookup_pool},
      list_pool_registrations: {0..0, Router, :list_pool_registrations}
    ]
  }

  for {module, twins} <- @twins do
    test "#{inspect(module)} exports exactly the twins, and they exist" do
      expected =
        for {name, {arities, twin, function}} <- unquote(Macro.escape(twins)), arity <- arities do
          {:module, ^twin} = Code.ensure_loaded(twin)

          assert Enum.any?(0..6, &function_exported?(twin, function, &1)) or
                   macro_exported?(twin, function, 1)

          {name, arity}
        end

      assert Enum.sort(unquote(module).module_info(:exports) -- [module_info: 0, module_info: 1]) ==
               Enum.sort(expected)
    end
  end

  describe "py:call" do
    test "in all its forms" do
      ctx = :py.context(1)
      assert :py.call(:math, :sqrt, [16]) == {:ok, 4.0}
      assert :py.call("math", "sqrt", [16]) == {:ok, 4.0}
      assert :py.call(~c"math", ~c"sqrt", [16]) == {:ok, 4.0}
      assert :py.call(ctx, :math, :sqrt, [16]) == {:ok, 4.0}
      assert :py.call(:builtins, :sorted, [[1, 2]], %{reverse: true}) == {:ok, [2, 1]}
      assert :py.call(:builtins, :sorted, [[1, 2]], reverse: true) == {:ok, [2, 1]}
      assert :py.call(:builtins, :sorted, [[1, 2]], %{"reverse" => true}, 5000) == {:ok, [2, 1]}
      assert :py.call(:builtins, :sorted, [[1, 2]], %{}, :infinity) == {:ok, [1, 2]}

      assert :py.call(ctx, :builtins, :sorted, [[1, 2]], %{
               kwargs: %{reverse: true},
               timeout: 5000
             }) ==
               {:ok, [2, 1]}

      start_context(name: __MODULE__.Named)
      assert :py.call(__MODULE__.Named, :math, :sqrt, [16]) == {:ok, 4.0}
    end

    test "gives none for None, and takes none and undefined for it" do
      assert :py.eval("None") == {:ok, :none}
      assert :py.eval("[None, {'k': None}]") == {:ok, [:none, %{"k" => :none}]}

      assert :py.eval("a is None and b is None and c is None", %{a: :none, b: :undefined, c: nil}) ==
               {:ok, true}

      assert Py.eval("None") == {:ok, nil}
      assert Py.eval("a is None", %{a: :none}) == {:ok, false}
    end
  end

  describe "py:eval and py:exec" do
    test "in all their forms" do
      ctx = :py.context(1)
      assert :py.eval("1 + 1") == {:ok, 2}
      assert :py.eval(~c"1 + 1") == {:ok, 2}
      assert :py.eval("x + 1", %{x: 1}) == {:ok, 2}
      assert :py.eval("x + 1", %{"x" => 1}, 5000) == {:ok, 2}
      assert :py.eval(ctx, "1 + 1") == {:ok, 2}
      assert :py.eval(ctx, "x + 1", %{x: 1}) == {:ok, 2}
      assert :py.exec("facade = 1") == :ok
      assert :py.eval("facade") == {:ok, 1}
      assert :py.exec(ctx, "counter = 0") == :ok
      assert :py.exec(ctx, "counter += 1") == :ok
      assert :py.eval(ctx, "counter") == {:ok, 1}
    end
  end

  describe "py:spawn_call, py:await and py:cast" do
    test "in all their forms" do
      ctx = :py.context(1)
      assert :py.await(:py.spawn_call(:math, :sqrt, [16])) == {:ok, 4.0}
      assert :py.await(:py.spawn_call(~c"math", "sqrt", [16]), 5_000) == {:ok, 4.0}
      assert :py.await(:py.spawn_call(ctx, :math, :sqrt, [16])) == {:ok, 4.0}

      for ref <- [
            :py.spawn_call(:builtins, :sorted, [[1, 2]], %{reverse: true}),
            :py.spawn_call(:builtins, :sorted, [[1, 2]], %{reverse: true}, 5_000),
            :py.spawn_call(ctx, :builtins, :sorted, [[1, 2]], %{kwargs: %{reverse: true}}),
            :py.spawn_call(:worker, :builtins, :sorted, [[1, 2]], %{reverse: true})
          ],
          do: assert(:py.await(ref) == {:ok, [2, 1]})

      ref = :py.spawn_call(:math, :sqrt, [-1])
      assert {:error, {:ValueError, _}} = :py.await(ref)
      assert :py.await(ref) == {:error, :not_found}
      ref = :py.spawn_call(:time, :sleep, [0.01])
      assert :py.cancel(ref) == :ok
      assert :py.await(ref) == {:error, :interrupted}
      assert :py.cancel(ref) == {:error, :not_found}

      assert :py.cast(:erlang, :send, [self(), :one]) == :ok
      assert_receive :one, 5_000
      assert :py.cast(ctx, :erlang, :send, [self(), :two]) == :ok
      assert_receive :two, 5_000
      assert :py.cast(:builtins, :sorted, [[1, 2]], %{reverse: true}) == :ok
    end

    test "py:parallel keeps the order" do
      assert :py.parallel([{:math, :sqrt, [16]}, {"math", ~c"sqrt", [-1]}, {:math, :sqrt, [9]}]) ==
               {:ok, [{:ok, 4.0}, {:error, {:ValueError, message()}}, {:ok, 3.0}]}
    end

    defp message do
      {:error, error} = Py.call(:math, :sqrt, [-1])
      error.message
    end
  end

  describe "streams" do
    test "are collected" do
      assert :py.stream(:builtins, :range, [3]) == {:ok, [0, 1, 2]}
      assert :py.stream(:builtins, :enumerate, [["a"]], %{start: 1}) == {:ok, [{1, "a"}]}
      assert :py.stream_eval("(None for _ in range(2))") == {:ok, [:none, :none]}
      assert :py.stream_eval(~c"(x * n for x in [1, 2])", %{n: 3}) == {:ok, [3, 6]}
      assert :py.stream_eval("[1 / n for n in [1, 0]]") |> elem(0) == :error

      assert :py.stream_eval("(1 / n for n in [1, 0])") ==
               {:error, {:ZeroDivisionError, "division by zero"}}
    end

    test "come as messages" do
      {:ok, ref} = :py.stream_start(:builtins, :range, [2])
      assert_receive {:py_stream, ^ref, {:data, 0}}, 5_000
      assert_receive {:py_stream, ^ref, {:data, 1}}, 5_000
      assert_receive {:py_stream, ^ref, :done}, 5_000

      {:ok, ref} = :py.stream_start(:builtins, :int, ["x"], %{owner: self()})
      assert_receive {:py_stream, ^ref, {:error, {:ValueError, _}}}, 5_000

      {:ok, ref} = :py.stream_start(:itertools, :count, [])
      assert :py.stream_cancel(ref) == :ok
    end
  end

  test "functions are registered for Python" do
    assert :py.register_function(:facade_list, fn [a, b] -> {a, b} end) == :ok
    assert :py.register_function(~c"facade_two", fn a, b -> a + b end) == :ok
    assert :py.register_function("facade_max", :lists, :max) == :ok

    code =
      "import erlang\n(erlang.facade_list(1, None), erlang.facade_two(1, 2), " <>
        "erlang.call('facade_max', [1, 3, 2]))"

    assert {:ok, {{1, _none}, 3, 3}} = :py.eval(code)

    for name <- [:facade_list, "facade_two", ~c"facade_max"],
        do: assert(:py.unregister_function(name) == :ok)

    assert {:error, {:AttributeError, _}} = :py.eval("__import__('erlang').facade_list(1)")
  end

  describe "errors" do
    test "of built-in exceptions have an atom, of others a binary" do
      assert :py.eval("1/0") == {:error, {:ZeroDivisionError, "division by zero"}}
      assert {:error, {:NameError, _}} = :py.eval("nobody")
      assert {:error, {:NameError, _}} = :py.exec("nobody")
      assert {:error, {:ModuleNotFoundError, _}} = :py.call(:no_such_module, :f, [])
      assert {:error, {"json.decoder.JSONDecodeError", _}} = :py.call(:json, :loads, ["{"])
      assert {:error, {"Mine", "x"}} = :py.eval("class Mine(Exception): pass\nraise Mine('x')")
    end

    test "every built-in exception of this Python has its atom" do
      code =
        "import builtins\n[n for n, v in vars(builtins).items() if isinstance(v, type) and issubclass(v, BaseException) and v.__name__ == n]"

      {:ok, names} = Py.eval(code)

      for name <- names do
        error = %Py.Error{type: name, message: "m"}
        assert :py_terms.answer({:error, error}) == {:error, {String.to_atom(name), "m"}}
      end
    end

    test "of contexts are atoms" do
      context = start_context()
      Context.stop(context)
      assert :py.eval(context, "1") == {:error, :closed}
      assert :py.eval(:nobody, "1") == {:error, :not_found}
      assert :py.call(:nobody, :math, :sqrt, [1], %{timeout: 5}) == {:error, :not_found}
    end

    test "of conversion say where" do
      assert {:error, {:conversion_error, text}} = :py.call(:builtins, :len, [[1 | 2]])
      assert text =~ "args[0]"
    end

    test "of a mode that cannot be say why" do
      assert {:error, {:start_error, text}} = :py_context.start_link(1, :warp)
      assert text =~ ":auto"
    end
  end

  test "objects are refs" do
    {:ok, ref} = :py.call(:collections, :deque, [[1, 2]])
    assert :py.is_ref(ref)
    refute :py.is_ref(%{}) or :py.is_ref(1)
    assert :py.call_method(ref, :pop, []) == {:ok, 2}
    assert :py.call_method(ref, "append", [3]) == {:ok, :none}
    assert :py.getattr(ref, :maxlen) == {:ok, :none}
    assert {:ok, %Object{type: "collections.deque"}} = :py.to_term(ref)
    {:ok, list} = Py.eval("[1, None]", %{}, return: :object)
    assert :py.to_term(list) == {:ok, [1, :none]}
    assert :py_context.to_term(list) == {:ok, [1, :none]}
  end

  test "state is shared with Python" do
    key = <<"facade">>
    assert :py.state_fetch(key) == {:error, :not_found}
    assert :py.state_store(key, %{"a" => 1}) == :ok
    assert :py.state_fetch(key) == {:ok, %{"a" => 1}}
    assert {:ok, %{"a" => 1}} = :py.eval("__import__('erlang').state_get('facade')")
    assert :py.exec("import erlang; erlang.state_set('facade', [None])") == :ok
    assert :py.state_fetch(key) == {:ok, [:none]}
    assert {:ok, [:none]} = :py.eval("__import__('erlang').state_get('facade')")
    assert key in :py.state_keys()
    assert :py.state_remove(key) == :ok
    refute key in :py.state_keys()
    assert :py.state_incr(key) == 1
    assert :py.state_incr(key, 10) == 11
    assert :py.state_decr(key) == 10
    assert :py.state_decr(key, 4) == 6
    assert :py.state_clear() == :ok
    assert :py.state_keys() == []
  end

  test "memory is told of, collected and traced" do
    assert {:ok, %{interpreters: _, resident: _}} = :py.memory_stats()
    assert {:ok, count} = :py.gc()
    assert is_integer(count)
    assert {:ok, _count} = :py.gc(0)

    # Where interpreters may have a GIL each, there is no tracing.
    for answer <- [:py.tracemalloc_start(), :py.tracemalloc_start(3)],
        do: assert(answer == :ok or match?({:error, {:RuntimeError, _}}, answer))

    assert :py.tracemalloc_stop() == :ok
  end

  test "facts agree with Elixir's" do
    assert :py.version() == {:ok, Py.version()}
    assert :py.execution_mode() == Py.execution_mode()
    assert :py.subinterp_supported() == Py.subinterp_supported?()
    assert :py.contexts_started() == Py.contexts_started?()
    assert Map.keys(:py.info()) == Map.keys(Py.info())
    assert %{version_info: {3, _, _}, pools: %{default: %{size: _}}} = :py.info()
    refute nil in Map.values(:py.info())
  end

  test "py_context is Py.Context" do
    {:ok, ctx} = :py_context.start_link(1, :auto)
    assert :py_context.exec(ctx, "x = 42") == :ok
    assert :py_context.eval(ctx, "x", %{}) == {:ok, 42}
    assert :py_context.eval(ctx, "x + y", %{y: 1}, 5000) == {:ok, 43}
    assert :py_context.call(ctx, :builtins, :sorted, [[1, 2]], %{reverse: true}) == {:ok, [2, 1]}
    assert :py_context.call(ctx, :builtins, :sorted, [[1, 2]], %{}, 5000) == {:ok, [1, 2]}
    {:ok, ref} = :py.call(ctx, :collections, :deque, [[1]])
    assert :py_context.call_method(ctx, ref, :pop, []) == {:ok, 1}
    {:ok, %{interp_id: id}} = Context.info(ctx)
    assert :py_context.get_interp_id(ctx) == {:ok, id}
    assert :py_context.stop(ctx) == :ok
    assert :py_context.get_interp_id(ctx) == {:error, :closed}
  end

  test "py_context_router is Py.Router" do
    assert :py_context_router.is_started()
    assert {:ok, [_, _, _]} = :py_context_router.start(%{contexts: 3})
    assert {:ok, [one | _]} = :py_context_router.start()
    assert :py_context_router.num_contexts() == 3
    assert :py_context_router.num_contexts(:default) == 3
    assert :py_context_router.contexts() == Router.contexts()
    assert :py_context_router.contexts(:default) == Router.contexts()
    assert :py_context_router.get_context(1) == one
    assert :py_context_router.get_context() in Router.contexts()
    assert :py_context_router.get_context(:default) in Router.contexts()
    assert :py_context_router.bind_context(one) == :ok
    assert :py_context_router.get_context() == one
    assert {:ok, 4.0} = :py.call(:math, :sqrt, [16])
    assert :py_context_router.unbind_context() == :ok
    assert :py_context_router.bind_context(:default, one) == :ok
    assert :py_context_router.unbind_context(:default) == :ok
    assert :py_context_router.stop() == :ok
    refute :py_context_router.is_started()
    assert :py.call(:math, :sqrt, [16]) == {:error, :not_found}
    assert {:ok, contexts} = :py.start_contexts(%{contexts: System.schedulers_online()})
    assert {:ok, ^contexts} = :py.start_contexts()
    assert :py.stop_contexts() == :ok
    assert {:ok, _} = :py.start_contexts()
  end

  test "pools are named where contexts are, and registered for modules" do
    assert {:ok, [_, _]} = :py_context_router.start_pool(:io, 2, :worker)
    assert {:ok, [one, two]} = :py_context_router.start_pool(:io, 2)
    assert {:ok, [^one, ^two]} = :py_context_router.start_pool(:io, 2, %{mode: :worker})
    assert :py_context_router.pool_started(:io)
    assert :py_context_router.num_contexts(:io) == 2
    assert :py_context_router.contexts(:io) == [one, two]
    assert :py_context_router.get_context(:io) in [one, two]
    assert :py.call(:io, :math, :sqrt, [16]) == {:ok, 4.0}
    assert :py.call(:io, :builtins, :sorted, [[1, 2]], %{reverse: true}) == {:ok, [2, 1]}
    assert :py.call(:io, :builtins, :sorted, [[1, 2]], reverse: true) == {:ok, [2, 1]}
    assert :py.eval(:io, "1 + 1") == {:ok, 2}
    assert :py.eval(:io, "x + 1", %{x: 1}) == {:ok, 2}
    assert :py.exec(:io, "pooled = 1") == :ok
    assert :py.eval(:io, "pooled") == {:ok, 1}

    assert :py_context_router.resize_pool(:io, 3) == :ok
    assert :py_context_router.resize_pool(:io, 2, %{drain: 5_000}) == :ok
    assert :py_context_router.num_contexts(:io) == 2

    assert :py.register_pool(:io, :math) == :ok
    assert :py.register_pool(:io, {:statistics, :mean}) == :ok
    assert :py_context_router.register_pool(:io, ~c"xml") == :ok
    assert :py_context_router.register_pool(:io, "statistics", "median") == :ok
    assert :py_context_router.lookup_pool(:math, :sqrt) == :io
    assert :py_context_router.lookup_pool("statistics", ~c"mean") == :io
    assert :py_context_router.lookup_pool(:statistics, :mode) == :default
    assert :py.call(:math, :sqrt, [16]) == {:ok, 4.0}

    assert :py_context_router.list_pool_registrations() == [
             {{"statistics", "mean"}, :io},
             {{"statistics", "median"}, :io},
             {"math", :io},
             {"xml", :io}
           ]

    assert :py.unregister_pool(:math) == :ok
    assert :py.unregister_pool({:statistics, :mean}) == :ok
    assert :py_context_router.unregister_pool(:statistics, :median) == :ok
    assert :py_context_router.unregister_pool("xml") == :ok
    assert :py_context_router.list_pool_registrations() == []
    assert :py_context_router.stop_pool(:io, %{drain: 1_000}) == :ok
    refute :py_context_router.pool_started(:io)
    assert :py_context_router.stop_pool(:io) == :ok
    assert :py.call(:io, :math, :sqrt, [16]) == {:error, :not_found}
    assert :py.register_pool(:io, :math) == {:error, :not_found}
  end

  test "coroutines are run, awaited and spawned, with a context in front or without" do
    context = Py.context(1)
    nap = [0, ~c"nap"]
    assert :py_event_loop.run(:asyncio, :sleep, [0, :none]) == {:ok, :none}
    assert :py_event_loop.run(context, ~c"asyncio", ~c"sleep", nap) == {:ok, ~c"nap"}
    assert :py_event_loop.run(:asyncio, :sleep, [0, 1], %{timeout: 5_000}) == {:ok, 1}
    assert :py_event_loop.run(context, :asyncio, :sleep, [0, 1], %{timeout: 5_000}) == {:ok, 1}

    for ref <- [
          :py_event_loop.create_task(:asyncio, :sleep, [0, 1]),
          :py_event_loop.create_task(context, :asyncio, :sleep, [0, 1]),
          :py_event_loop.create_task(:asyncio, :sleep, [0, 1], %{timeout: 5_000}),
          :py_event_loop.create_task(context, :asyncio, :sleep, [0], %{kwargs: %{result: 1}})
        ] do
      assert :py_event_loop.await(ref) == {:ok, 1}
    end

    ref = :py_event_loop.create_task(context, :asyncio, :sleep, [0])
    assert_receive {:async_result, ^ref, {:ok, :none}}, 20_000
    ref = :py_event_loop.create_task(context, :asyncio, :sleep, [~c"soon"])
    assert_receive {:async_result, ^ref, {:error, {:TypeError, _message}}}, 20_000
    ref = :py_event_loop.create_task(context, :asyncio, :sleep, [60])
    assert :py_event_loop.await(ref, 10) == {:error, :timeout}
    ref = :py_event_loop.create_task(context, :asyncio, :sleep, [60])
    assert :py_event_loop.cancel(ref) == :ok
    assert :py_event_loop.spawn_task(:asyncio, :sleep, [0]) == :ok
    assert :py_event_loop.spawn_task(context, :asyncio, :sleep, [0]) == :ok
    assert :py_event_loop.spawn_task(:asyncio, :sleep, [], %{kwargs: %{delay: 0}}) == :ok
    assert :py_event_loop.spawn_task(context, :asyncio, :sleep, [0], %{}) == :ok

    assert :py.async_await(:py.async_call(:asyncio, :sleep, [0, 2])) == {:ok, 2}
    assert :py.async_await(:py.async_call(context, :asyncio, :sleep, [0, 2]), 5_000) == {:ok, 2}
    assert :py.async_gather([{:asyncio, :sleep, [0, 3]}]) == {:ok, [{:ok, 3}]}
  end

  test "what nobody waits for gets None for undefined, whatever the form of the call" do
    context = start_context()

    :py.exec(context, """
    import erlang

    def tell(pid, form, value, *more):
        erlang.send(pid, (form, value is None))

    async def tell_later(pid, form, value):
        tell(pid, form, value)
    """)

    main = :__main__
    args = fn form -> [self(), form, :undefined] end
    later = :tell_later
    there = %{context: context}

    # Without a context in front, the namespace is the one that the options or a binding name.
    :ok = Router.bind_context(context)
    assert :py_event_loop.spawn_task(main, later, args.(1)) == :ok
    assert :py.cast(main, :tell, args.(2)) == :ok
    assert :py.cast(main, :tell, [self(), 3], %{value: :undefined}) == :ok
    assert :py_event_loop.spawn_task(main, later, args.(4), %{kwargs: %{}}) == :ok
    Router.unbind_context()

    assert :py_event_loop.spawn_task(main, later, args.(5), there) == :ok
    assert :py_event_loop.spawn_task(context, main, later, args.(6)) == :ok
    assert :py_event_loop.spawn_task(context, main, later, args.(7), %{}) == :ok

    keywords = %{kwargs: %{value: :undefined}}
    assert :py_event_loop.spawn_task(context, main, later, [self(), 8], keywords) == :ok
    assert :py.cast(context, main, :tell, args.(9)) == :ok

    # What has a struct in it goes again, once that is encoded.
    with_struct = args.(10) ++ [%Py.Case.Money{amount: 1, currency: :eur}]
    assert :py.cast(context, main, :tell, with_struct) == :ok

    for form <- 1..10, do: assert_receive({^form, true}, 20_000)
  end

  test "py_channel does what Py.Channel does" do
    assert {:ok, channel} = :py_channel.new(%{max_size: 20})
    assert :py_channel.send(channel, :none) == :ok
    assert :py_channel.send(channel, "text") == :ok
    assert :py_channel.send(channel, "text") == :busy
    assert :py_channel.send(channel, "text", 5) == :busy
    assert %{size: 20, max_size: 20, closed: false} = :py_channel.info(channel)
    assert :py.eval("[c.receive(), c.receive()]", %{c: channel}) == {:ok, [:none, "text"]}
    assert :py_channel.receive(channel, 0) == {:error, :timeout}
    assert {:ok, subscription} = :py_channel.subscribe(channel, %{demand: 1})
    assert :py_channel.ask(channel, subscription, :infinity) == :ok
    assert :py.eval("c.send(None)", %{c: channel}) == {:ok, :none}
    assert_receive {:py_channel, ^subscription, {:data, :none}}
    assert :py_channel.unsubscribe(channel, subscription) == :ok
    assert :py_channel.unsubscribe(channel, subscription) == {:error, :not_found}
    assert {:ok, _subscription} = :py_channel.subscribe(channel)
    assert :py_channel.close(channel) == :ok
    assert :py_channel.send(channel, 1) == {:error, :closed}
    assert :py_channel.receive(channel) == {:error, :closed}
    assert {:ok, _channel} = :py_channel.new()
  end

  test "the guide's processor of a channel" do
    code = """
    from erlang.channel import Channel

    def processor(channel):
        # Blocking receive - suspends Python, releases scheduler
        msg = channel.receive()

        # Non-blocking alternative
        msg = channel.try_receive()  # Returns None if empty

        # Async alternative
        # msg = await channel.async_receive()
        return msg
    """

    {:ok, context} = :py_context.start_link(1, :auto)
    :ok = :py_context.exec(context, code)
    {:ok, channel} = :py_channel.new()
    task = Task.async(fn -> :py.call(context, :__main__, :processor, [channel]) end)
    :ok = :py_channel.send(channel, "first")
    assert Task.await(task) == {:ok, :none}
    :py_context.stop(context)
  end

  test "logs and traces" do
    assert :py.configure_logging(%{level: :info}) == :ok
    assert :py.configure_logging(level: :warning) == :ok
    assert :py.clear_traces() == :ok
    assert :py.enable_tracing() == :ok
    assert :py.exec("import erlang\nwith erlang.Span('work', n=1): pass") == :ok

    assert {:ok, [%{name: "work", status: :ok, error: :none, parent_id: :none}]} =
             :py.get_traces()

    assert :py.disable_tracing() == :ok
    assert :py.clear_traces() == :ok
    assert :py.get_traces() == {:ok, []}
    assert :py.configure_logging() == :ok
    assert :py.configure_logging(%{level: :warning}) == :ok
  end

  test "what the guide says is gone is undefined" do
    for {module, name, arity} <- [
          {:py, :call_async, 3},
          {:py, :bind, 0},
          {:py, :unbind, 0},
          {:py, :ctx_call, 4}
        ] do
      refute function_exported?(module, name, arity)
    end
  end

  describe "py_reactor_context" do
    test "starts reactors, hands off to them, and says the reason when it cannot" do
      opts = %{setup: Py.Connections.protocols(), protocol: "Echo", max_connections: 1}
      {:ok, reactor} = :py_reactor_context.start_link(1, :auto, opts)
      {client, accepted} = Py.Connections.pair()
      {:ok, fd} = :inet.getfd(accepted)
      assert :py_reactor_context.handoff(reactor, fd, %{type: :tcp}) == :ok
      assert Py.Connections.echo(client, "hello") == "hello"
      assert :py_reactor_context.handoff(reactor, fd, %{type: :tcp}) == {:error, :busy}
      assert {:ok, %{connections: 1, total: 1}} = :py_reactor_context.stats(reactor)
      assert :py_reactor_context.stop(reactor) == :ok
      assert :py_reactor_context.stats(reactor) == {:error, :closed}
      assert :py.dup_fd(-1) == {:error, :ebadf}
      {:ok, empty} = :py_reactor_context.start_link(2, :worker)
      assert :py_reactor_context.stop(empty) == :ok
    end
  end
end
