defmodule Facade.ExportsTest do
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
end
