defmodule Py.ModeTest do
  use Py.Case, async: true

  alias Py.Mode

  doctest Py.Mode

  test "exactly one mode is the default, and it is supported" do
    assert [%{supported: true}] = Enum.filter(Mode.all(), & &1.default)
  end

  test "the default follows the version of Python" do
    {:ok, mode} = Mode.fetch(:auto)

    case Py.info() do
      %{free_threaded: true} -> assert mode.name == :free_threaded
      %{version_info: {3, minor, _}} when minor >= 14 -> assert mode.name == :shared_gil
      %{version_info: {3, minor, _}} when minor >= 12 -> assert mode.name == :own_gil
      _older -> assert mode.name == :multi_executor
    end
  end

  test "the names of the Erlang API are understood" do
    for {name, modes} <- [owngil: [:own_gil], subinterp: [:own_gil, :shared_gil]] do
      case Mode.fetch(name) do
        {:ok, mode} -> assert mode.name in modes
        {:error, error} -> assert Exception.message(error) =~ "needs Python 3.12"
      end
    end
  end

  test "contexts of every mode that is supported work" do
    for %{name: name, execution_mode: execution_mode, supported: true} <- Mode.all() do
      context = start_context(mode: name)
      assert {:ok, %{mode: ^name, execution_mode: ^execution_mode}} = Py.Context.info(context)

      assert Py.eval("import math\nmath.factorial(20)", %{}, context: context) ==
               {:ok, 2_432_902_008_176_640_000}
    end
  end

  test "a mode this Python lacks says what it needs" do
    lacking = Mode.all() |> Enum.reject(& &1.supported) |> hd()
    assert {:error, %Py.StartError{reason: :unsupported_mode} = error} = Mode.fetch(lacking.name)
    assert Exception.message(error) =~ lacking.requires
    assert {:error, ^error} = Py.Context.start_link(mode: lacking.name)
  end

  test "a mode that does not exist says which do" do
    assert {:error, %Py.StartError{} = error} = Mode.fetch(:warp)
    assert Exception.message(error) =~ ":auto"
  end
end
