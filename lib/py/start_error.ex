defmodule Py.StartError do
  @moduledoc """
  Python could not be started, or not with the packages it needs. The message says why and what to
  do about it.

  The fields are `:reason`, an atom to match on, and `:details`, a sentence with the
  particulars (a path, what the interpreter printed). The reasons:

    * `:python_not_found` - no interpreter was found, or the chosen one does not exist or
      does not run
    * `:unsupported_version` - the chosen Python is older or newer than those supported
    * `:unsupported_implementation` - the chosen Python is not CPython
    * `:no_shared_library` - the interpreter has no `libpython` that can be loaded
    * `:nif_not_found` - the native code has not been built for this Python
    * `:nif_load_failed` - the native code is there but the BEAM could not load it
    * `:library_load_failed` - `libpython` is there but could not be loaded
    * `:initialisation_failed` - Python was loaded but could not initialise itself
    * `:not_started` - the application :erlang_python has not been started in this VM
    * `:unsupported_mode` - this Python cannot run the mode asked for
    * `:not_a_venv` - there is no virtual environment in that folder
    * `:venv_mismatch` - the virtual environment was made for another Python
    * `:venv_failed` - the virtual environment could not be made
    * `:install_failed` - the packages could not be installed

  ## Example

      iex> error = %Py.StartError{reason: :nif_not_found, details: "py_nif-cp313.so is missing"}
      iex> Exception.message(error) =~ "mix compile"
      true

  """

  @type reason ::
          :python_not_found
          | :unsupported_version
          | :unsupported_implementation
          | :no_shared_library
          | :nif_not_found
          | :nif_load_failed
          | :library_load_failed
          | :initialisation_failed
          | :not_started
          | :unsupported_mode
          | :not_a_venv
          | :venv_mismatch
          | :venv_failed
          | :install_failed
          | atom

  @type t :: %__MODULE__{reason: reason, details: String.t() | nil}

  defexception [:reason, :details]

  @impl true
  def message(%__MODULE__{reason: reason, details: details}) do
    [headline(reason), details, remedy(reason)]
    |> Enum.reject(&(&1 in [nil, ""]))
    |> Enum.join("\n\n")
  end

  defp headline(:python_not_found), do: "no usable Python was found"
  defp headline(:unsupported_version), do: "this version of Python is not supported"
  defp headline(:unsupported_implementation), do: "this Python is not CPython"
  defp headline(:no_shared_library), do: "this Python has no shared library (libpython) to load"
  defp headline(:nif_not_found), do: "the native code has not been built for this Python"
  defp headline(:nif_load_failed), do: "the native code could not be loaded"
  defp headline(:library_load_failed), do: "libpython could not be loaded"
  defp headline(:initialisation_failed), do: "Python could not initialise itself"
  defp headline(:not_started), do: "Python has not been started in this VM"
  defp headline(:unsupported_mode), do: "this Python cannot run the mode asked for"
  defp headline(:not_a_venv), do: "this is no virtual environment"
  defp headline(:venv_mismatch), do: "this virtual environment was made for another Python"
  defp headline(:venv_failed), do: "the virtual environment could not be made"
  defp headline(:install_failed), do: "the packages could not be installed"
  defp headline(reason), do: "Python could not be started (#{inspect(reason)})"

  defp remedy(:python_not_found) do
    """
    Install CPython 3.9 to 3.14, or name one of yours:

        config :erlang_python, python: "3.13"            # a version, or
        config :erlang_python, python: "/path/to/python3" # a path
        ERLANG_PYTHON=/path/to/python3                    # the same for one command

    `mix py.doctor` lists what it finds on this machine.\
    """
  end

  defp remedy(:unsupported_version) do
    "Choose CPython 3.9 to 3.14 with `config :erlang_python, python: \"3.13\"` or ERLANG_PYTHON."
  end

  defp remedy(:unsupported_implementation) do
    "PyPy, GraalPy and others cannot be embedded here. Choose CPython 3.9 to 3.14 with " <>
      "`config :erlang_python, python: \"3.13\"` or ERLANG_PYTHON."
  end

  defp remedy(:no_shared_library) do
    """
    Python runs inside the BEAM, so it has to come as a shared library:

      * Debian and Ubuntu: apt-get install libpython3-dev (or libpython3.x-dev for its version)
      * Fedora: dnf install python3-libs
      * pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install --force 3.13
      * uv: uv python install 3.13\
    """
  end

  defp remedy(:nif_not_found) do
    "In a checkout, `mix compile` builds it for the Python in use, or says why it cannot. " <>
      "`mix py.doctor` shows which Python that is and what has been built."
  end

  defp remedy(:nif_load_failed) do
    "It may have been built for another machine or Erlang/OTP. `mix clean` and `mix compile` " <>
      "build it anew; `mix py.doctor` shows what is in use."
  end

  defp remedy(:library_load_failed) do
    "Check that the library belongs to this processor architecture and that the libraries it " <>
      "needs are installed, or choose another Python with ERLANG_PYTHON."
  end

  defp remedy(:initialisation_failed) do
    "Check that this interpreter runs on its own (`python3 -I -c 'import encodings'`), and that " <>
      "PYTHONHOME is not set to another one's directory."
  end

  defp remedy(:not_started) do
    "Starting the application :erlang_python does that. In a script: " <>
      "Application.ensure_all_started(:erlang_python), or mix run instead of elixir; in a " <>
      "release: add it to extra_applications if it is no dependency of yours."
  end

  defp remedy(:unsupported_mode) do
    "`mix py.doctor` lists the modes of this Python; `mode: :auto` always picks one that works."
  end

  defp remedy(:not_a_venv) do
    "`Py.Venv.ensure/3` makes one, with the packages it is given; so does `python3 -m venv`."
  end

  defp remedy(:venv_mismatch) do
    "Make it anew with `Py.Venv.ensure/3`, choose its Python with " <>
      "`config :erlang_python, python: \"3.13\"` or ERLANG_PYTHON, or name it in " <>
      "`config :erlang_python, venv:`, which does so by itself."
  end

  defp remedy(:venv_failed) do
    "The folder has to be one that can be written to, and Python to have its modules venv and " <>
      "ensurepip (Debian and Ubuntu: apt-get install python3-venv). With `installer: :uv` the " <>
      "latter is not needed."
  end

  defp remedy(:install_failed) do
    "What the installer printed says which package it was. Nothing has been activated; the next " <>
      "`Py.Venv.ensure/3` tries again."
  end

  defp remedy(_reason), do: "`mix py.doctor` shows what is in use and what is missing."
end
