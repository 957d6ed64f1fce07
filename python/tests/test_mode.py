"""`erlang.ExecutionMode`, `erlang.execution_mode` and `erlang.detect_mode`."""

import sys
import types

import pytest

import erlang
from erlang import _mode


def test_modes_are_strings() -> None:
    assert {str(mode) for mode in erlang.ExecutionMode} == {
        "subinterp",
        "free_threaded",
        "multi_executor",
        "worker",
    }
    assert erlang.ExecutionMode("subinterp") == "subinterp"
    assert f"{erlang.ExecutionMode.SUBINTERP}" == "subinterp"


def test_outside_the_beam_the_main_interpreter_answers() -> None:
    gil_enabled = getattr(sys, "_is_gil_enabled", lambda: True)
    expected = "worker" if gil_enabled() else "free_threaded"
    assert erlang.execution_mode() is erlang.ExecutionMode(expected)
    assert erlang.detect_mode() is erlang.ExecutionMode(expected)


def test_without_a_gil_the_process_is_free_threaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert erlang.execution_mode() is erlang.ExecutionMode.FREE_THREADED


@pytest.mark.parametrize("name", ["subinterp", "free_threaded", "multi_executor", "worker"])
def test_in_the_beam_the_native_module_answers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    native = types.ModuleType("_erlang")
    native.execution_mode = lambda: name  # type: ignore[attr-defined]
    monkeypatch.setattr(_mode, "_erlang", native)
    assert erlang.execution_mode() is erlang.ExecutionMode(name)
    assert erlang.detect_mode() is erlang.ExecutionMode(name)
