defmodule Py.Case.Casualties do
  @moduledoc """
  Kills each process of the supervision tree while calls are in flight, one after another. It is
  meant for a BEAM of its own: see `Py.Child`.
  """

  import Py.Case, only: [eventually: 1, kill: 1]

  alias Py.Case.Flights
  alias Py.Router
  alias Py.Router.Pool

  @callers 4

  @doc """
  For each process that was killed: what became of a call that was running, and whether calls
  work again. Then the kinds of answers that others got who called all the time, and what was left
  in their mailboxes.
  """
  @spec run() :: {[{term, atom, boolean}], [atom], [term]}
  def run do
    Logger.configure(level: :none)
    callers = for work <- Flights.works(), _ <- 1..@callers, do: caller(work)
    losses = Enum.map(victims(), &lose/1)
    for caller <- callers, do: send(caller.pid, :land)
    {answers, left} = callers |> Task.await_many(60_000) |> Enum.unzip()
    {losses, answers |> Enum.concat() |> Enum.uniq(), Enum.concat(left)}
  end

  # By the ways to find them, as most get another pid on the way.
  defp victims do
    children = for {id, _, _, _} <- Supervisor.which_children(Py.Supervisor), do: id
    pool = [Pool.supervisor(:default), Pool.contexts(:default), Pool.keeper(:default)]

    Enum.map(children, &{&1, fn -> child(&1) end}) ++
      Enum.map(pool, &{&1, fn -> Process.whereis(&1) end}) ++
      [{:context, fn -> Router.get_context(1) end}]
  end

  defp child(id) do
    {^id, pid, _type, _modules} = List.keyfind(Supervisor.which_children(Py.Supervisor), id, 0)
    pid
  end

  defp lose({name, find}) do
    {context, call} = endless_call()
    kill(find.())
    # It answers when what it has to replace is there again.
    Supervisor.which_children(Py.Supervisor)

    works? =
      eventually(fn ->
        # One may have got in line behind the call above, before that was known to be long.
        Py.eval("1 + 1", %{}, timeout: 5_000) == {:ok, 2} and
          Py.call(:math, :sqrt, [4], timeout: 5_000) == {:ok, 2.0}
      end)

    # What did not end by itself is well, and stops when it is told to.
    _open_or_not = Py.Context.interrupt(context)
    {name, Task.await(call, 60_000), works? and eventually(fn -> find.() != nil end)}
  end

  # The context may be one that the last casualty is taking along: then the call does not begin, and
  # the next context is tried when that one has ended.
  defp endless_call do
    context = Router.get_context(1)
    monitor = Process.monitor(context)
    parent = self()

    %Task{ref: ref} =
      call =
      Task.async(fn ->
        # Without end, and without keeping a GIL that others share from them.
        code = "import time\nbegan()\nwhile True: time.sleep(0.01)"
        began = fn -> send(parent, :began) end
        Flights.kind(Py.eval(code, %{began: began}, context: context, timeout: 60_000))
      end)

    receive do
      :began ->
        Process.demonitor(monitor, [:flush])
        {context, call}

      {^ref, gone} when gone in [:closed, :not_found] ->
        Process.demonitor(ref, [:flush])
        receive do: ({:DOWN, ^monitor, :process, ^context, _reason} -> endless_call())

      {^ref, kind} ->
        raise "a call was answered before it began: #{kind}"
    end
  end

  defp caller(work) do
    Task.async(fn ->
      answers = fly(work, MapSet.new())
      {answers, self() |> Process.info(:messages) |> elem(1)}
    end)
  end

  defp fly(work, answers) do
    receive do
      :land -> MapSet.to_list(answers)
    after
      0 -> fly(work, MapSet.put(answers, work.()))
    end
  end
end
