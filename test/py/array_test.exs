defmodule Py.ArrayTest do
  # Real numpy, in a BEAM of its own for each mode; what it has to do is in `Py.Case.Arrays`.
  use ExUnit.Case, async: false

  alias Py.Case.Packages

  @moduletag timeout: 300_000

  {python, packages} = Packages.fetch()
  @python python

  unless List.keymember?(packages, "numpy", 0), do: @moduletag(skip: "numpy is not installed")

  for %{name: mode, supported: true} <- Py.Mode.all() do
    test "numpy's arrays are binaries and back in the mode #{inspect(mode)}" do
      work = {Py.Case.Arrays, :try_out, [unquote(mode)]}
      assert {:ok, :done, _output} = Py.Child.run(work, python: @python, timeout: 240_000)
    end
  end
end
