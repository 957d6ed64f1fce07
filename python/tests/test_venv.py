"""Activating an environment in an interpreter, and taking it back exactly."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

PACKAGE = Path(__file__).parent.parent

PRELUDE = """
import sys, site
sys.path.insert(0, sys.argv.pop(1))
from erlang import _venv
def place():
    finders = list(sys.meta_path), list(sys.path_hooks)
    return list(sys.path), sys.prefix, sys.exec_prefix, list(site.PREFIXES), finders
venv = sys.argv[1]
before = place()
"""


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """An environment as `python -m venv` makes it, with a module in it."""
    folder = tmp_path / "venv"
    command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(command, check=True, timeout=60)
    (packages(folder) / "brought.py").write_text("")
    return folder


def packages(folder: Path) -> Path:
    """Where it has its packages."""
    return next(folder.glob("lib/python3*/site-packages"))


def run(code: str, venv: Path) -> None:
    """Run code in a fresh interpreter."""
    command = [sys.executable, "-I", "-c", PRELUDE + dedent(code), str(PACKAGE), str(venv)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_packages_can_be_imported_and_afterwards_not(venv: Path) -> None:
    run(
        """
        assert _venv.sync(venv, 1)
        import brought
        assert brought.__file__.startswith(venv)
        assert sys.prefix == sys.exec_prefix == venv and site.PREFIXES == [venv]
        del sys.modules["brought"]
        assert _venv.sync(None, 2)
        assert place() == before
        try:
            import brought
        except ImportError:
            pass
        else:
            raise AssertionError("still there")
        """,
        venv,
    )


def test_it_is_in_the_place_of_the_packages_below(venv: Path) -> None:
    run(
        """
        below = [entry for entry in sys.path if entry in site.getsitepackages()]
        sys.path.append("/last")
        _venv.sync(venv, 1)
        assert not set(below) & set(sys.path)
        assert sys.path[-1] == "/last"
        assert sys.path[-2] in _venv.packages(venv)
        """,
        venv,
    )


def test_with_the_system_packages_both_are_there(venv: Path) -> None:
    settings = venv / "pyvenv.cfg"
    text = settings.read_text().replace("packages = false", "packages = true")
    settings.write_text(text)
    run(
        """
        import os
        below = [e for e in site.getsitepackages([sys.base_prefix]) if os.path.isdir(e)]
        _venv.sync(venv, 1)
        places = [sys.path.index(entry) for entry in _venv.packages(venv) + below]
        assert places == sorted(places) and len(below) > 0
        _venv.sync(None, 2)
        assert place() == before
        """,
        venv,
    )


def test_what_its_pth_files_do_is_undone(venv: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").mkdir()
    (packages(venv) / "linked.pth").write_text(f"{tmp_path / 'linked'}\n")
    finder = "import sys; sys.meta_path.append(object()); sys.path_hooks.append(print)\n"
    (packages(venv) / "finder.pth").write_text(finder)
    run(
        """
        import os
        _venv.sync(venv, 1)
        assert os.path.join(os.path.dirname(venv), "linked") in sys.path
        assert len(sys.meta_path) == len(before[4][0]) + 1
        _venv.sync(None, 2)
        assert place() == before
        """,
        venv,
    )


def test_activating_it_again_finds_what_is_new_in_it(venv: Path) -> None:
    run(
        """
        import os
        _venv.sync(venv, 1)
        folder = _venv.packages(venv)[0]
        with open(os.path.join(folder, "later.pth"), "w") as file:
            file.write(os.path.dirname(venv) + "\\n")
        _venv.sync(venv, 2)
        assert os.path.dirname(venv) in sys.path
        assert len(sys.path) == len(set(sys.path))
        _venv.sync(None, 3)
        assert place() == before
        """,
        venv,
    )


def test_what_code_has_done_to_the_path_since_stays(venv: Path) -> None:
    run(
        """
        _venv.sync(venv, 1)
        sys.path.insert(0, "/mine")
        _venv.sync(None, 2)
        assert sys.path[0] == "/mine"
        assert sorted(sys.path[1:]) == sorted(before[0])
        assert sys.prefix == before[1]
        """,
        venv,
    )


def test_a_change_that_comes_late_undoes_no_later_one(venv: Path) -> None:
    run(
        """
        assert _venv.sync(None, 7)
        assert not _venv.sync(venv, 6)
        assert place() == before
        """,
        venv,
    )


def test_the_environment_python_was_started_in_stays_as_it_is(venv: Path) -> None:
    python = venv / "bin" / "python"
    code = PRELUDE + "_venv.sync(venv, 1)\nassert place() == before\nimport brought\n"
    command = [str(python), "-I", "-c", code, str(PACKAGE), str(venv)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert os.path.isdir(venv)
