"""Making environments: who waits for whom, and what a process that died leaves behind.

The program that installs is a stand-in here, which can be told to take its time. The real ones
are run by the tests of the Elixir side.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest

from erlang import _installer
from erlang._requirements import Requirements

PACKAGE = Path(__file__).parent.parent
MAIN = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from erlang._installer import main
main()
"""

UV = """#!{python}
import os, sys
folder = {folder!r}
if sys.argv[1] == "venv":
    import venv
    venv.create(sys.argv[-1])
    sys.exit(0)
print("installs", flush=True)
with open(os.path.join(folder, "venv", "half"), "w"):
    pass
if os.path.exists(os.path.join(folder, "slow")):
    print("slowly", os.getpid(), flush=True)
    os.read(os.open(os.path.join(folder, "pipe"), os.O_RDONLY), 1)
os.unlink(os.path.join(folder, "venv", "half"))
sys.exit(3 if os.path.exists(os.path.join(folder, "fails")) else 0)
"""


class Running:
    """An installer that runs, with the BEAM's end of its standard input."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        """Start it."""
        uv = folder / "uv"
        uv.write_text(UV.format(python=sys.executable, folder=str(folder)))
        uv.chmod(0o755)
        command = [sys.executable, "-I", "-c", MAIN, str(PACKAGE)]
        options = [f"--path={folder / 'venv'}", f"--uv={uv}", "--line=six", *arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command + options, stdin=pipe, stdout=pipe, text=True)

    def until(self, beginning: str) -> str:
        """The first line that begins so; the test fails if there is none."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(beginning):
                return line.strip()
        raise AssertionError(f"no line begins with {beginning}")

    def outcome(self) -> str:
        """What it tells the BEAM in the end."""
        line = self.until(_installer.MARK)
        self.process.wait(60)
        return line.partition("=")[2]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Running]]:
    """What a test has started, to be ended with it."""
    os.mkfifo(tmp_path / "pipe")
    all_of_them: list[Running] = []
    yield all_of_them
    for running in all_of_them:
        running.process.kill()
        running.process.wait(60)
        for pipe in (running.process.stdin, running.process.stdout):
            if pipe is not None:
                pipe.close()


def start(started: list[Running], folder: Path, *arguments: str) -> Running:
    started.append(Running(folder, *arguments))
    return started[-1]


def stamp(folder: Path) -> Optional[str]:
    file = folder / "venv" / _installer.STAMP
    return file.read_text() if file.exists() else None


def test_the_second_finds_all_done(started: list[Running], tmp_path: Path) -> None:
    assert start(started, tmp_path).outcome() == "installed"
    assert start(started, tmp_path).outcome() == "unchanged"
    before = stamp(tmp_path)
    assert start(started, tmp_path, "--line=idna").outcome() == "installed"
    assert stamp(tmp_path) != before


def test_who_comes_second_waits_and_is_told_for_whom(
    started: list[Running], tmp_path: Path
) -> None:
    (tmp_path / "slow").touch()
    first = start(started, tmp_path)
    first.until("slowly")
    second = start(started, tmp_path)
    assert f"Waiting for process {first.process.pid} of " in second.until("Waiting")
    (tmp_path / "slow").unlink()
    (tmp_path / "pipe").write_text("x")
    assert first.outcome() == "installed"
    assert second.outcome() == "unchanged"


def test_it_ends_with_the_beam_and_takes_along_what_it_runs(
    started: list[Running], tmp_path: Path
) -> None:
    (tmp_path / "slow").touch()
    first = start(started, tmp_path)
    first.until("slowly")
    assert first.process.stdin is not None
    first.process.stdin.close()
    assert first.process.wait(60) == 1
    # The standard output is at its end when all who had it are gone.
    assert first.process.stdout is not None
    assert first.process.stdout.read() == ""

    (tmp_path / "slow").unlink()
    assert (tmp_path / "venv" / "half").exists()
    second = start(started, tmp_path)
    second.until("Making the virtual environment")
    assert second.outcome() == "installed"
    assert not (tmp_path / "venv" / "half").exists()


def test_what_survives_its_killer_keeps_the_lock(started: list[Running], tmp_path: Path) -> None:
    (tmp_path / "slow").touch()
    first = start(started, tmp_path)
    pid = int(first.until("slowly").split()[1])
    first.process.kill()
    first.process.wait(60)
    second = start(started, tmp_path)
    second.until("Waiting for process")
    (tmp_path / "slow").unlink()
    os.kill(pid, signal.SIGKILL)
    second.until("Making the virtual environment")
    assert second.outcome() == "installed"


def test_a_failure_in_order_leaves_what_can_be_built_on(
    started: list[Running], tmp_path: Path
) -> None:
    assert start(started, tmp_path).outcome() == "installed"
    (tmp_path / "fails").touch()
    failing = start(started, tmp_path, "--line=more")
    assert failing.outcome() == "install_failed"
    assert stamp(tmp_path) is None
    (tmp_path / "fails").unlink()
    (tmp_path / "venv" / "note").touch()
    assert start(started, tmp_path).outcome() == "installed"
    assert (tmp_path / "venv" / "note").exists()


def test_requirements_that_cannot_be_read_cost_nothing(
    started: list[Running], tmp_path: Path
) -> None:
    assert start(started, tmp_path).outcome() == "installed"
    (tmp_path / "venv" / "note").touch()
    (tmp_path / "pyproject.toml").write_text("[project]\ndynamic = ['dependencies']\n")
    environment = _installer.Environment(str(tmp_path / "venv"), None, _installer.Programs())
    environment.python = sys.executable
    project = Requirements(str(tmp_path / "pyproject.toml"), [])
    with pytest.raises(_installer.Failure, match="dynamic"):
        environment.install(project, "another fingerprint", 0)
    assert environment.is_whole()
    assert start(started, tmp_path).outcome() == "installed"
    assert (tmp_path / "venv" / "note").exists()


def test_an_environment_without_its_python_is_made_anew(
    started: list[Running], tmp_path: Path
) -> None:
    assert start(started, tmp_path).outcome() == "installed"
    python = tmp_path / "venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/no/such/python")
    assert start(started, tmp_path).outcome() == "installed"
    assert os.access(python, os.X_OK)
    assert [path.name for path in tmp_path.glob("*old*")] == []


def test_a_folder_with_other_things_in_it_is_left_alone(
    started: list[Running], tmp_path: Path
) -> None:
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "thesis.txt").write_text("ten years")
    assert start(started, tmp_path, "--force").outcome() == "not_a_venv"
    assert (tmp_path / "venv" / "thesis.txt").read_text() == "ten years"


def test_a_project_with_dynamic_dependencies_says_what_to_do(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text("[project]\ndynamic = ['dependencies']\n")
    environment = _installer.Environment(str(tmp_path), None, _installer.Programs())
    environment.python = sys.executable
    with pytest.raises(_installer.Failure, match=r"-e \./"):
        environment._dependencies(str(project))
    project.write_text("[project]\ndependencies = ['six>=1']\n")
    assert environment._dependencies(str(project)) == ["six>=1"]
