defmodule Py.Runtime.PathsTest do
  use Py.Case, async: false

  alias Py.{Child, Runtime}

  @moduletag :tmp_dir

  @host :py_paths_host

  # An application on the disk, as Mix or a release would have it.
  defp application(folder, dependencies) do
    root = Path.join([folder, "lib", "#{@host}"])
    File.mkdir_p!(Path.join(root, "ebin"))
    File.mkdir_p!(Path.join(root, "priv/python"))
    File.write!(Path.join(root, "priv/python/of_the_host.py"), "PLACE = 'priv/python'\n")
    spec = {:application, @host, vsn: '1', modules: [], applications: dependencies}
    File.write!(Path.join(root, "ebin/#{@host}.app"), :io_lib.format("~p.~n", [spec]))
    root
  end

  defp loading(root),
    do: [
      {:code, :add_pathz, [to_charlist(Path.join(root, "ebin"))]},
      {Application, :load, [@host]}
    ]

  test "priv/python of the application that uses the library is on sys.path", %{tmp_dir: folder} do
    root = application(folder, [:kernel, :stdlib, :erlang_python])
    more = Path.join(folder, "more")
    work = {Py, :eval, ["import of_the_host, sys\n(of_the_host.PLACE, sys.path[:3])"]}

    assert {:ok, {:ok, {"priv/python", [own, ^more, host]}}, _output} =
             Child.run(work, before: loading(root), config: [paths: [more]])

    assert own == Application.app_dir(:erlang_python, "priv/python")
    assert host == Path.join(root, "priv/python")
  end

  test "that of another one is not, and each folder is there once", %{tmp_dir: folder} do
    root = application(folder, [:kernel, :stdlib])
    for {module, function, args} <- loading(root), do: apply(module, function, args)

    on_exit(fn ->
      Application.unload(@host)
      :code.del_path(to_charlist(Path.join(root, "ebin")))
    end)

    own = Application.app_dir(:erlang_python, "priv/python")
    assert Runtime.Paths.all(["/a", own, "/a"]) == [own, "/a"]
  end
end
