defmodule Py.Case.Starting do
  @moduledoc "What is said when Python does not start. It is for a BEAM of its own: see `Py.Child`."

  @doc "What the library says when it cannot start."
  @spec start() :: String.t()
  def start do
    {:error, error} = Py.Runtime.start()
    Exception.message(error)
  end

  @doc "What it says when it was not started."
  @spec not_at_all() :: String.t()
  def not_at_all do
    Py.version()
  rescue
    error in [Py.StartError] -> Exception.message(error)
  end
end
