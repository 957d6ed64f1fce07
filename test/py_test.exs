defmodule PyTest do
  use Py.Case, async: true

  doctest Py

  test "the exact factorial of 100" do
    assert Py.call(:math, :factorial, [100]) == {:ok, Enum.product(1..100)}
  end

  test "an error carries type and traceback" do
    assert {:error, %Py.Error{type: "ZeroDivisionError", traceback: [_ | _]}} = Py.eval("1/0")
  end

  for module <- [Py, Py.Context, Py.EventLoop, Py.Object, Py.Router, Py.Venv] do
    test "every verb of #{inspect(module)} that may answer with an error has a twin" do
      exports = unquote(module).__info__(:functions)
      verbs = failing(unquote(module))
      assert length(verbs) >= 3

      for verb <- verbs, {^verb, arity} <- exports do
        assert {:"#{verb}!", arity} in exports, "there is no #{verb}!/#{arity}"
      end
    end
  end

  test "a twin answers with the value, or raises the error" do
    assert Py.await!(Py.spawn_call(:math, :sqrt, [16])) == 4.0
    assert Py.EventLoop.run!(Py.context(1), :asyncio, :sleep, [0, "done"]) == "done"

    assert Py.Context.call!(Py.context(1), :builtins, :sorted, [[1, 2]], [reverse: true], []) == [
             2,
             1
           ]

    assert_raise Py.Error, ~r/ZeroDivisionError/, fn -> Py.eval!("1 / 0") end
    assert_raise Py.Error, fn -> Py.await!(Py.spawn_call(:math, :sqrt, [-1])) end
    assert_raise Py.Error, fn -> Py.async_await!(Py.async_call(:math, :sqrt, [-1])) end
    assert_raise Py.Error, fn -> Py.EventLoop.run!(:math, :sqrt, [-1]) end
    assert_raise File.Error, ~r/bad file/, fn -> Py.dup_fd!(-1) end
    assert_raise Py.StartError, fn -> Py.Venv.activate!("/no/such/folder") end
    assert_raise Py.StartError, fn -> Py.Context.new!(mode: :warp) end

    # A context that is not there, in all those ways.
    for verb <- [
          fn -> Py.await!(make_ref()) end,
          fn -> Py.cast!(:math, :sqrt, [16], context: :nobody) end,
          fn -> Py.EventLoop.spawn_task!(:nobody, :math, :sqrt, [16]) end,
          fn -> Py.EventLoop.await!(Py.EventLoop.create_task(:nobody, :math, :sqrt, [16])) end,
          fn -> Py.Context.eval!(:nobody, "1") end,
          fn -> Py.Context.exec!(:nobody, "1") end,
          fn -> Py.Context.info!(:nobody) end,
          fn -> Py.Context.interrupt!(:nobody) end,
          fn -> Py.Context.stacktrace!(:nobody) end,
          fn -> Py.Router.bind_context!(:nobody) end,
          fn -> Py.Router.register_pool!(:nobody, :math) end,
          fn -> Py.Router.resize_pool!(:nobody, 2) end
        ] do
      assert_raise Py.ContextError, verb
    end
  end

  test "a twin raises what OTP says, too" do
    context = start_context(name: __MODULE__.Taken)
    error = assert_raise ErlangError, fn -> Py.Context.new!(name: __MODULE__.Taken) end
    assert error.original == {:already_started, context}
  end

  # The verbs whose specification has `{:error, _}` or a `result`. What a supervisor calls is
  # none of them, as that wants no exception.
  defp failing(module) do
    {:ok, specs} = Code.Typespec.fetch_specs(module)
    {:docs_v1, _, _, _, _, _, docs} = Code.fetch_docs(module)
    hidden = for {{:function, name, arity}, _, _, :hidden, _} <- docs, do: {name, arity}

    for {{name, arity}, variants} <- specs,
        {name, arity} not in hidden and name != :start_link,
        Enum.any?(variants, &fails?(Code.Typespec.spec_to_quoted(name, &1))),
        uniq: true,
        do: name
  end

  defp fails?({:when, _, [spec, _variables]}), do: fails?(spec)
  defp fails?({:"::", _, [_verb, answer]}), do: fails?(answer)
  defp fails?({:|, _, [one, other]}), do: fails?(one) or fails?(other)
  defp fails?({:{}, _, [:error, _reason]}), do: true
  defp fails?({:result, _, []}), do: true
  defp fails?({{:., _, [_module, :result]}, _, []}), do: true
  defp fails?(_value), do: false

  test "every public function is documented with an example and specified" do
    for module <- [Py, Py.Context, Py.Router, Py.Object, Py.Mode, Py.Buffer, Py.JSON] do
      {:docs_v1, _, _, _, _, _, docs} = Code.fetch_docs(module)
      {:ok, specs} = Code.Typespec.fetch_specs(module)
      specified = for {{name, arity}, _} <- specs, do: {name, arity}

      for {{:function, name, arity}, _, _, %{"en" => doc}, meta} <- docs,
          not String.ends_with?("#{name}", "!") do
        assert doc =~ "    " or doc =~ "The same",
               "#{inspect(module)}.#{name}/#{arity} has no example"

        defaults = Map.get(meta, :defaults, 0)

        assert Enum.any?((arity - defaults)..arity, &({name, &1} in specified)),
               "#{inspect(module)}.#{name}/#{arity} has no spec"
      end
    end
  end

  # Each says that it is there and then stays in one call of C, which lets go of no GIL, until it
  # sees the other one. With one GIL for both, the second would never be there; a thousand million
  # looks are for that case alone.
  @meet """
  import itertools, mmap, operator

  with open(path, "r+b") as file, mmap.mmap(file.fileno(), 2) as places:
      places[mine] = 1
      met = any(map(operator.getitem, itertools.repeat(places, 10**9), itertools.repeat(1 - mine)))

  met
  """

  @parallel Enum.find([:own_gil, :free_threaded], &match?({:ok, _row}, Py.Mode.fetch(&1)))

  unless @parallel, do: @tag(skip: "needs contexts with a GIL each, or none at all")
  @tag :tmp_dir
  test "code runs in parallel where contexts have a GIL each", %{tmp_dir: folder} do
    path = Path.join(folder, "places")
    File.write!(path, <<0, 0>>)

    tasks =
      for mine <- 0..1 do
        context = start_context(mode: @parallel)
        Task.async(fn -> Py.eval!(@meet, %{path: path, mine: mine}, context: context) end)
      end

    assert Task.await_many(tasks, :infinity) == [true, true]
  end

  test "what is not Python code is refused at the door" do
    assert_raise ArgumentError, fn -> Py.eval(:code) end
    assert_raise ArgumentError, fn -> Py.call(:math, :sqrt, 16) end
  end
end
