defmodule Py.Mistake do
  @moduledoc false

  # Arguments of a shape that no verb takes. Whoever passed them did not mean to, so they are
  # raised and not answered, in words that show what was meant.

  @spec args!(term) :: no_return
  def args!(other) do
    refuse("the arguments of a Python function are a list, as in [16], not #{inspect(other)}")
  end

  @spec code!(term) :: no_return
  def code!([_first | _rest] = charlist) do
    refuse(
      "Python code is a string in double quotes, as in \"1 + 1\", not the list #{inspect(charlist)}"
    )
  end

  def code!(other),
    do: refuse("Python code is a string, as in \"1 + 1\", not #{inspect(other)}")

  @spec calls!(term) :: no_return
  def calls!(other) do
    refuse(
      "calls are a list of {module, function, args} or {module, function, args, options}, " <>
        "not #{inspect(other)}"
    )
  end

  @spec function!(term) :: no_return
  def function!(other) do
    refuse(
      "what Python is to call is a function, as in fn a, b -> a + b end, or a module and the " <>
        "name of a function there, not #{inspect(other)}"
    )
  end

  @spec object!(term) :: no_return
  def object!(other) do
    refuse(
      "only a Py.Object can be asked that, such as a call with return: :object answers with, " <>
        "not #{inspect(other)}"
    )
  end

  @spec manager!(term) :: no_return
  def manager!(fun) do
    refuse("what is to run with a Py.Object is a function of one argument, not #{inspect(fun)}")
  end

  @spec binary!(term) :: no_return
  def binary!(other), do: refuse("bytes are a binary, as in \"abc\", not #{inspect(other)}")

  @spec pool!(term) :: no_return
  def pool!(other), do: refuse("the name of a pool is an atom, as in :io, not #{inspect(other)}")

  @spec unnamed_pool!(term) :: no_return
  def unnamed_pool!(options) do
    refuse("a pool needs a name, as in {Py.Router, name: :io, size: 10}, not #{inspect(options)}")
  end

  @spec size!(term) :: no_return
  def size!(other),
    do: refuse("the size of a pool is a number of contexts, at least 1, not #{inspect(other)}")

  @spec registration!(term) :: no_return
  def registration!(other) do
    refuse(
      "a registration is a module, as in :requests or \"os.path\", or {module, function}, " <>
        "not #{inspect(other)}"
    )
  end

  @spec context!(term) :: no_return
  def context!(other) do
    refuse("a context is a pid or a registered name, not #{inspect(other)}")
  end

  defp refuse(text), do: raise(ArgumentError, text)
end
