"""The package as a whole: what it exports and what importing it costs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import erlang

ROOT = Path(erlang.__file__).parent.parent


def modules_loaded_by(*imports: str) -> set[str]:
    """The modules that these imports add to a fresh interpreter."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); before = set(sys.modules)\n"
        + "".join(f"import {name}\n" for name in imports)
        + "added = sorted(set(sys.modules) - before)\n"
        # Not printed, as nobody listens to what `_output` has put in the place of `sys.stdout`.
        + "import json, os; os.write(1, json.dumps(added).encode())"
    )
    command = [sys.executable, "-I", "-S", "-c", script, str(ROOT)]
    return set(json.loads(subprocess.check_output(command)))


def test_what_an_interpreter_imports_when_it_starts_loads_nothing_else() -> None:
    added = modules_loaded_by(
        "erlang",
        "erlang._convert",
        "erlang._failure",
        "erlang._code",
        "erlang._json",
        "erlang._library; erlang._library.install()",
        "erlang._output; erlang._output.install()",
    )
    others = {name for name in added if name.partition(".")[0] != "erlang"}
    # Those beside `__future__` are there anyway, on 3.14 because `site` needs them.
    assert others <= {"__future__", "_abc", "_collections_abc", "abc", "io"}
    assert not added & {"erlang._logging", "erlang._stream"}


def test_every_public_name_exists() -> None:
    for name in erlang.__all__:
        assert getattr(erlang, name) is not None


def test_names_that_load_late_are_listed_early() -> None:
    assert {"ExecutionMode", "execution_mode", "atom"} <= set(dir(erlang))
    assert "erlang._mode" not in modules_loaded_by("erlang")


@pytest.mark.parametrize("name", ["channel", "reactor"])
def test_the_modules_of_the_package_load_when_they_are_named(name: str) -> None:
    loaded = modules_loaded_by(f"erlang; erlang.{name}.__name__; assert '{name}' in dir(erlang)")
    assert f"erlang.{name}" in loaded
    assert f"erlang.{name}" not in modules_loaded_by("erlang")


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="module 'erlang' has no attribute 'atmo'"):
        erlang.atmo  # type: ignore[attr-defined]  # noqa: B018


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(erlang.__file__).parent / "py.typed").exists()
