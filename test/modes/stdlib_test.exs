defmodule Py.Modes.StdlibTest do
  # Each BEAM started here is busy on all cores.
  use Py.Case, async: false

  alias Py.{Child, Stdlib}

  @moduletag timeout: 300_000
  @contexts 4

  setup_all do
    %{alone: Stdlib.alone()}
  end

  test "the standard library is more than a few modules", %{alone: alone} do
    assert map_size(alone) > 500
    assert alone["math"] == nil and alone["email.mime.text"] == nil
    refute Map.has_key?(alone, "antigravity")
  end

  for %{name: mode, supported: true} <- Py.Mode.all() do
    test "#{mode}: all of it can be imported but for what is listed", context do
      mode = unquote(mode)
      there = for {name, nil} <- context.alone, do: name
      code = "__import__('erlang._isolation')._isolation.refused(mode)"
      refused = Py.eval!("sorted(#{code})", %{mode: to_string(mode)})

      work = {Stdlib, :import_everywhere, [Enum.sort(there), mode, @contexts]}
      assert {:ok, failed, output} = Child.run(work, timeout: 240_000)
      refute output =~ "Exception ignored"

      # Those that need a refused one fail with what it says.
      unexpected =
        for {name, errors} <- failed,
            not Enum.all?(errors, &says?(&1, refused)),
            do: {name, errors}

      assert unexpected == []

      assert for(name <- refused, name in there, not List.keymember?(failed, name, 0), do: name) ==
               []
    end
  end

  defp says?(error, refused) do
    case Regex.run(~r/module (\S+) does not support loading in subinterpreters/, error) do
      [_, name] -> name in refused
      nil -> false
    end
  end
end
