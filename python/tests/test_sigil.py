"""Code within Elixir code: its names and its values."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from erlang import _sigil


@pytest.mark.parametrize(
    ("source", "reads", "assigns"),
    [
        ("x + 1", {"x"}, set()),
        ("x += 1", {"x"}, {"x"}),
        ("del x", {"x"}, set()),
        ("import os.path, json as j", set(), {"os", "j"}),
        ("def f(a):\n    b = a + c\n    return b", {"c"}, {"f"}),
        ("class C(base):\n    a = d", {"base", "d"}, {"C"}),
        ("[a for a in b if a]", {"b"}, set()),
        ("[last := a for a in b]", {"b"}, {"last"}),
        ("def f():\n    global g\n    g = 1", set(), {"f", "g"}),
        ("lambda a: a + c", {"c"}, set()),
        ("f'{x!r:>{width}}'", {"x", "width"}, set()),
        ("_a = _b", set(), set()),
        ("obj.field = x", {"obj", "x"}, set()),
        ("# nothing", set(), set()),
    ],
)
def test_names(source: str, reads: set[str], assigns: set[str]) -> None:
    lines = _sigil.report(source, "lib/a.ex", 1).splitlines()
    assert {line[6:] for line in lines if line.startswith("reads ")} == reads
    assert {line[8:] for line in lines if line.startswith("assigns ")} == assigns


@pytest.mark.parametrize("source", ["x = 1\nx = = 2", "x = 1\n  y = 2", "ok\nreturn 1"])
def test_errors_have_the_line_of_the_file(source: str) -> None:
    assert _sigil.report(source, "lib/a.ex", 10).startswith("error 11 ")


@pytest.mark.parametrize("source", ["(" * 5000 + ")" * 5000, "x = '\0'"])
def test_what_cannot_be_compiled_at_all_is_an_error_too(source: str) -> None:
    report = _sigil.report(source, "lib/a.ex", 10)
    assert report.startswith("error 10 ")
    assert "\n" not in report


def test_the_script_reports_the_same() -> None:
    arguments = ["x = y\né", "lib/a.ex", "1"]
    command = [sys.executable, "-I", "-X", "utf8", str(Path(_sigil.__file__)), *arguments]
    output = subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
    assert output == _sigil.report("x = y\né", "lib/a.ex", 1)


def run(source: str, assigns: list[str], namespace: Any, variables: Any = None) -> Any:
    return _sigil.run(source, "lib/a.ex", 7, assigns, namespace, variables)


def test_the_value_and_what_has_changed() -> None:
    namespace = {"base": 1}
    variables = {"x": 2, "same": [3]}
    code = "y = base + x\nx = y\nif x:\n    same\n    same = same\nx * 2"
    assert run(code, ["same", "x", "y"], namespace, variables) == (6, {"x": 3, "y": 3})
    assert namespace == {"base": 1}


def test_tracebacks_have_the_lines_of_the_file() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run("x = 1\nx / 0", ["x"], {})
    place = caught.traceback[-1]
    assert (str(place.frame.code.raw.co_filename), place.lineno + 1) == ("lib/a.ex", 8)


def test_tracebacks_point_at_no_columns() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run("x = [1 / n for n in (0,)]", ["x"], {})
    innermost = caught.tb
    while innermost.tb_next is not None:
        innermost = innermost.tb_next
    if sys.version_info >= (3, 11):
        places = list(innermost.tb_frame.f_code.co_positions())
        _line, _end_line, start, end = places[innermost.tb_lasti // 2]
        assert (start, end) == (None, None)
