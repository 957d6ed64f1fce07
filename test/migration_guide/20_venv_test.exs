defmodule MigrationGuide.VenvTest do
  use Py.Case.Guide

  @moduletag :tmp_dir
  @moduletag timeout: 120_000

  # Which the library takes where it is there, as it is faster.
  setup_all do
    Py.Case.Venvs.provide_uv()
  end

  setup %{tmp_dir: folder} do
    on_exit(fn -> :py.deactivate_venv() end)
    requirements = Path.join(folder, "requirements.txt")
    File.write!(requirements, "toml==0.10.2\n")
    %{bindings: [Venv: Path.join(folder, "venv"), Requirements: requirements]}
  end

  # What the installer prints is for the terminal of whoever asks.
  defp quietly(fun), do: ExUnit.CaptureIO.capture_io(fun)

  test "an environment is made, filled and activated, and deactivated", %{bindings: bindings} do
    quietly(fn ->
      erlang(
        ~S"""
        %% Create venv if missing, install deps, activate
        ok = py:ensure_venv(Venv, Requirements).
        {ok, <<"0.10.2">>} = py:eval(<<"import toml\ntoml.__version__">>).

        %% Check venv status
        {ok, #{<<"active">> := true, <<"venv_path">> := Path}} = py:venv_info(),
        true = is_binary(Path).

        %% Deactivation
        ok = py:deactivate_venv().
        {ok, #{<<"active">> := false}} = py:venv_info().

        %% Manual activation
        ok = py:activate_venv(Venv).
        {ok, #{<<"active">> := true, <<"venv_path">> := Path}} = py:venv_info().
        ok = py:deactivate_venv().
        """,
        bindings
      )
    end)
  end

  test "options choose the installer, and make it anew", %{bindings: bindings} do
    mark = Path.join(bindings[:Venv], "from-before")
    quietly(fn -> :ok = :py.ensure_venv(bindings[:Venv], bindings[:Requirements]) end)
    File.write!(mark, "")

    quietly(fn ->
      erlang(
        ~S"""
        %% With options
        ok = py:ensure_venv(Venv, Requirements, [
          {installer, pip}, % or uv
          force % Recreate even if exists
        ]).
        """,
        bindings
      )
    end)

    refute File.exists?(mark)
  end
end
