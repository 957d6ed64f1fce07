"""`erlang.schedule`, `erlang.schedule_py` and `erlang.consume_time_slice`."""

import threading
from typing import Any

import pytest

import erlang
from erlang import _schedule


class Native:
    """The built-in module, as far as scheduling goes."""

    class Fun:
        """A function of the BEAM."""

        def __call__(self, *args: object) -> object:
            raise AssertionError("the BEAM calls it, not Python")

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> Native:
    native = Native()
    monkeypatch.setattr(_schedule, "_erlang", native)
    return native


@pytest.fixture(autouse=True)
def fresh_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_schedule, "_slice", _schedule._Slice())


def test_without_arguments_it_only_gives_way(native: Native) -> None:
    assert erlang.schedule() is None
    assert native.slept == [0]


def test_a_name_becomes_a_call_for_the_beam() -> None:
    marker = erlang.schedule("lookup", 1, "two")
    assert isinstance(marker, _schedule.CallMarker)
    assert (marker.target, marker.args) == ("lookup", (1, "two"))
    assert repr(marker) == "<erlang.schedule: 'lookup', to be returned>"


def test_a_function_of_the_beam_becomes_one_too(native: Native) -> None:
    fun = native.Fun()
    marker = erlang.schedule(fun, 1)
    assert isinstance(marker, _schedule.CallMarker)
    assert (marker.target, marker.args) == (fun, (1,))


def test_a_python_callable_is_called_when_its_turn_comes() -> None:
    calls: list[Any] = []
    marker = erlang.schedule(calls.append, "now")
    assert isinstance(marker, _schedule.PyMarker)
    assert calls == []
    assert marker.resume() is None
    assert calls == ["now"]


@pytest.mark.parametrize("callback", [42, ["lookup"], b"lookup"])
def test_what_cannot_be_called_is_refused(callback: Any) -> None:
    with pytest.raises(TypeError, match=f"a callable, not {type(callback).__name__}"):
        erlang.schedule(callback)


def test_arguments_need_something_to_call() -> None:
    with pytest.raises(TypeError, match="nothing to call"):
        erlang.schedule(None, 1)


def test_a_function_can_be_named() -> None:
    marker = erlang.schedule_py("json", "dumps", [{"b": 1, "a": 2}], {"sort_keys": True})
    assert marker.resume() == '{"a": 2, "b": 1}'


def test_the_name_of_a_function_may_be_dotted() -> None:
    marker = erlang.schedule_py("collections", "OrderedDict.fromkeys", ["ab"])
    assert list(marker.resume()) == ["a", "b"]  # type: ignore[call-overload]


def test_a_missing_function_is_noticed_when_its_turn_comes() -> None:
    marker = erlang.schedule_py("json", "no_such_function")
    with pytest.raises(AttributeError, match="no_such_function"):
        marker.resume()


def test_names_are_strings() -> None:
    with pytest.raises(TypeError, match="names of a module and a function, not builtin_function"):
        erlang.schedule_py("json", len)  # type: ignore[arg-type]


def test_the_time_slice_is_used_up_at_a_hundred_per_cent() -> None:
    assert [erlang.consume_time_slice(40) for _ in range(6)] == [
        False, False, True, False, False, True,
    ]  # fmt: skip
    assert erlang.consume_time_slice(100) is True
    assert erlang.consume_time_slice(99) is False
    assert erlang.consume_time_slice(1) is True


def test_each_thread_has_a_slice_of_its_own() -> None:
    assert erlang.consume_time_slice(60) is False
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(erlang.consume_time_slice(60)))
    thread.start()
    thread.join()
    assert answers == [False]
    assert erlang.consume_time_slice(60) is True


@pytest.mark.parametrize("percent", [0, -1, 101])
def test_percentages_are_between_one_and_a_hundred(percent: int) -> None:
    with pytest.raises(ValueError, match=f"between 1 and 100, not {percent}"):
        erlang.consume_time_slice(percent)


def test_percentages_are_whole_numbers() -> None:
    with pytest.raises(TypeError, match="an int, not float"):
        erlang.consume_time_slice(0.5)  # type: ignore[arg-type]
