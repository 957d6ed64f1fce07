defmodule Py.Case.Sigils do
  @moduledoc "What compiles sigils without a running library. To be run in a `Py.Child`."

  @doc "The names that are found while the library does not run."
  def stopped(code, line) do
    :ok = Application.stop(:erlang_python)
    Py.Sigil.Names.find(code, "lib/a.ex", line)
  end

  @doc """
  On a machine that has no Python when it compiles, and one when the code runs: the names found
  in code and in code with an error, and what a module with a sigil answers.
  """
  def without_python(code) do
    chosen = System.get_env("ERLANG_PYTHON")
    :ok = Application.stop(:erlang_python)
    System.put_env("ERLANG_PYTHON", "/no/such/python")
    names = for code <- [code, "1 +"], do: Py.Sigil.Names.find(code, "lib/a.ex", 1)

    [{module, _binary}] =
      Code.compile_string("""
      defmodule Py.Case.Sigils.Compiled do
        import Py.Sigil
        def value(x) do
          value = sigil_PY("y = x\\nx + len([y])", [])
          {value, y}
        end
      end
      """)

    System.put_env("ERLANG_PYTHON", chosen)
    :ok = Application.start(:erlang_python)
    {names, module.value(2)}
  end
end
