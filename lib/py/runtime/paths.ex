defmodule Py.Runtime.Paths do
  @moduledoc false

  # What is put on `sys.path` of every interpreter, in front of the standard library.

  @doc """
  The package `erlang`, the configured `paths`, and `priv/python` of every loaded application that
  depends on this one.

  The application that uses the library is loaded before the library starts: Mix and releases do
  so to learn what it depends on.
  """
  @spec all([Path.t()]) :: [Path.t()]
  def all(configured) do
    own = Application.app_dir(:erlang_python, "priv/python")
    Enum.uniq([own | Enum.map(configured, &Path.expand/1)] ++ of_applications())
  end

  defp of_applications do
    for {name, _description, _version} <- Enum.sort(Application.loaded_applications()),
        :erlang_python in dependencies(name),
        folder = Application.app_dir(name, "priv/python"),
        File.dir?(folder),
        do: folder
  end

  defp dependencies(name) do
    Enum.flat_map([:applications, :included_applications], &(Application.spec(name, &1) || []))
  end
end
