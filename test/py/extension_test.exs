defmodule Py.ExtensionTest do
  # C extensions as they come from PyPI, in every mode. Each mode has a BEAM of its own: what an
  # extension does to the process stays there, and a crash or a hang is a failure.
  use ExUnit.Case, async: false

  alias Py.Case.Packages

  @moduletag timeout: 300_000

  {python, packages} = Packages.fetch()
  @python python
  @packages packages

  if packages == [], do: @moduletag(skip: "none of the packages could be installed")
  without_numpy = if not List.keymember?(packages, "numpy", 0), do: "numpy is not installed"

  for %{name: name, supported: true, execution_mode: kind} <- Py.Mode.all() do
    @mode name
    @isolated kind == :subinterp

    test "extensions work in the mode #{inspect(name)} for code that names no context" do
      evals = for {_package, code, _value} <- @packages, do: {Py, :eval, [code]}
      in_namespaces = {Packages, :in_namespaces, [@packages]}
      {[first, second], registrations} = try_out(@mode, [in_namespaces | evals])

      values = for {_package, _code, value} <- @packages, do: {:ok, value}
      assert first == [values | values]
      assert second == [values | values]

      possible = for {package, _code, _value} <- @packages, @isolated, do: {package, :worker}
      assert registrations -- possible == []
    end

    @tag skip: without_numpy
    test "so do calls, of a package and of what is below it, in the mode #{inspect(name)}" do
      # At the same moment, a package and a module below it cannot be imported by two threads of
      # one interpreter: CPython would let one of them see the other half made.
      package = {Py, :call, [:numpy, :dot, [[1, 2], [3, 4]]]}
      below = {Py, :call, ["numpy.linalg", :norm, [[3, 4]]]}

      assert {[[{:ok, 11}], [{:ok, 11}]], registrations} = try_out(@mode, [package])
      assert {[[{:ok, 5.0}], [{:ok, 5.0}]], ^registrations} = try_out(@mode, [below])
    end

    @tag skip: without_numpy
    test "on a context that is named it works, or the error says how, in #{inspect(name)}" do
      call = {Py, :call, [:numpy, :dot, [[1, 2], [3, 4]], [context: 1]]}
      {answers, []} = try_out(@mode, [call])

      for [answer] <- answers do
        case answer do
          {:ok, 11} -> :ok
          {:error, error} -> assert @isolated and Exception.message(error) =~ "mode: :worker"
        end
      end
    end
  end

  defp try_out(mode, calls) do
    {:ok, result, _output} = Py.Child.run({Packages, :try_out, [mode, calls]}, python: @python)
    result
  end
end
