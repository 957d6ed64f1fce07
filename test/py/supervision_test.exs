defmodule Py.SupervisionTest do
  use Py.Case, async: true

  alias Py.Case.Casualties
  alias Py.Child

  @moduletag timeout: 300_000

  # A process of ours may take others along, and those the calls that run in their contexts.
  @answers [:ok, :closed, :not_found, :interrupted, :callback]

  for %{name: mode, supported: true} <- Py.Mode.all() do
    test "#{mode}: each process of the tree may die under load, and the next calls work" do
      options = [config: [mode: unquote(mode), num_contexts: 2], timeout: 200_000]

      assert {:ok, {losses, answers, left}, output} = Child.run({Casualties, :run, []}, options)
      assert length(losses) > 8

      for {name, answer, works?} <- losses do
        assert {name, works?} == {name, true}
        assert {name, answer} in [{name, :closed}, {name, :interrupted}]
      end

      assert {:context, :closed, true} in losses
      assert answers -- @answers == [], output
      assert :ok in answers
      assert left == []
    end
  end
end
