"""Makes a virtual environment and installs into it, in an operating system process of its own.

``Py.Venv.ensure`` runs this as a port. It prints what the installer prints and, in lines that
begin with ``MARK``, what came of it. Whatever ends the BEAM ends this as well, with all that it
has started: the port's end is the end of our standard input.

Nothing half done is ever taken for whole. An environment is up to date if its stamp, which is
written last, has the fingerprint of what is asked for. A file written before anything is changed
says that work is in progress; where it has been left behind, the environment is made anew. The
kernel lets go of the lock when its holder dies, and the installer holds it as well, so nobody
else begins before both have gone.
"""

from __future__ import annotations

import argparse
import fcntl
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from erlang._requirements import Requirements
from erlang._venv import packages

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Begins the lines that are for the BEAM.
MARK = "erlang_python:"

STAMP = "erlang_python.stamp"
IN_PROGRESS = "erlang_python.in_progress"

#: Comes after the name of an environment that another one replaces.
ASIDE = ".erlang_python-old-"
OWN_REQUIREMENTS = "erlang_python.requirements.txt"

PROJECT = """
import json, sys
try:
    import tomllib
except ImportError:
    from pip._vendor import tomli as tomllib
with open(sys.argv[1], "rb") as file:
    project = tomllib.load(file).get("project", {})
if "dependencies" in project.get("dynamic", []):
    sys.exit("its dependencies are dynamic; name its folder as a requirement: './' or '-e ./'")
print(json.dumps(project.get("dependencies", [])))
"""


class Failure(Exception):
    """Why there is no environment: a reason of ``Py.StartError``, and a sentence."""

    def __init__(self, reason: str, details: str) -> None:
        """Note both."""
        super().__init__(details)
        self.reason = reason
        self.details = details


class Killed(Failure):
    """A program did not come to its end."""


class Programs:
    """The program that is run at present, and the end of it when the BEAM is gone."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        self._over = False

    def run(self, command: list[str], folder: str, keep: int) -> int:
        """Run a command, which inherits the descriptor of the lock, and return its status."""
        with self._lock:
            if self._over:
                os._exit(1)
            self._running = subprocess.Popen(
                command,
                cwd=folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stderr=subprocess.STDOUT,
                pass_fds=[keep],
                start_new_session=True,
            )
        status = self._running.wait()
        with self._lock:
            self._running = None
        return status

    def end_with(self, descriptor: int) -> None:
        """End everything when nothing more can come from there."""
        while os.read(descriptor, 4096):
            pass
        with self._lock:
            self._over = True
            if self._running is not None:
                os.killpg(self._running.pid, signal.SIGKILL)
        os._exit(1)


class Environment:
    """A virtual environment: where it is, and what is done to it."""

    def __init__(self, folder: str, uv: str | None, programs: Programs) -> None:
        """Do nothing yet. With the path of uv, that makes the environment and installs."""
        self.folder = folder
        self.python = os.path.join(folder, "bin", "python")
        self._uv = uv
        self._programs = programs

    def is_up_to_date(self, fingerprint: str) -> bool:
        """Whether it holds what is asked for."""
        try:
            with open(self._file(STAMP), encoding="utf-8") as file:
                stamp = file.read().strip()
        except OSError:
            return False
        return stamp == fingerprint and self.is_whole()

    def is_whole(self) -> bool:
        """Whether it has a Python like this one, and nobody has died at work on it."""
        if os.path.exists(self._file(IN_PROGRESS)) or not os.access(self.python, os.X_OK):
            return False
        return all(os.path.isdir(folder) for folder in packages(self.folder))

    def make(self, lock: int) -> None:
        """Make it anew, in the place of what is there."""
        self._clear()
        os.makedirs(self.folder)
        self._begin()
        say(f"Making the virtual environment {self.folder}")
        if self._uv:
            command = [self._uv, "venv", "--allow-existing", "--python", sys.executable]
        else:
            command = [sys.executable, "-m", "venv"]
        self._run([*command, self.folder], "venv_failed", os.path.dirname(self.folder), lock)

    def install(self, requirements: Requirements, fingerprint: str, lock: int) -> None:
        """Install, and say so in the stamp when all of it is done."""
        self._begin()
        try:
            self._install(requirements, lock)
        except Killed:
            raise
        except Failure:
            # It has ended in order, so what is there can be built on, though not all of it is.
            for name in (STAMP, IN_PROGRESS):
                if os.path.exists(self._file(name)):
                    os.unlink(self._file(name))
            raise
        _replace(self._file(STAMP), fingerprint + "\n")
        os.unlink(self._file(IN_PROGRESS))

    def _install(self, requirements: Requirements, lock: int) -> None:
        arguments = self._arguments(requirements)
        if arguments:
            say(f"Installing into {self.folder}")
            command = self._installer(requirements) + arguments
            self._run(command, "install_failed", requirements.folder, lock)

    def _installer(self, requirements: Requirements) -> list[str]:
        if self._uv is None:
            options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
            return [self.python, "-m", "pip", "install", *options]
        # uv looks at few of the files in a local folder to see whether it has changed.
        again = ["--reinstall", "--refresh"] if requirements.local() else []
        return [self._uv, "pip", "install", "--python", self.python, *again]

    def _arguments(self, requirements: Requirements) -> list[str]:
        if requirements.file and (self._uv or not requirements.is_project):
            return ["-r", requirements.file]
        lines = requirements.text()
        if requirements.file:
            lines = "".join(line + "\n" for line in self._dependencies(requirements.file))
        _replace(self._file(OWN_REQUIREMENTS), lines)
        return ["-r", self._file(OWN_REQUIREMENTS)] if lines else []

    def _dependencies(self, project: str) -> list[str]:
        command = [self.python, "-I", "-c", PROJECT, project]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure("install_failed", f"{project} cannot be used: {done.stderr.strip()}.")
        dependencies: list[str] = json.loads(done.stdout)
        return dependencies

    def _run(self, command: list[str], reason: str, folder: str, lock: int) -> None:
        status = self._programs.run(command, folder, lock)
        if status < 0:
            raise Killed(reason, f"`{' '.join(command)}` was ended by signal {-status}.")
        if status > 0:
            raise Failure(reason, f"`{' '.join(command)}` ended with status {status}.")

    def _begin(self) -> None:
        with open(self._file(IN_PROGRESS), "w", encoding="utf-8") as file:
            file.write(f"{identity()}\n")

    def _clear(self) -> None:
        """Take away what is there: at once, by a new name, and what is left of that at leisure."""
        if os.path.lexists(self.folder):
            self._refuse_what_is_not_ours()
            os.rename(self.folder, f"{self.folder}{ASIDE}{os.getpid()}")
        for old in glob.glob(glob.escape(self.folder + ASIDE) + "*"):
            shutil.rmtree(old, ignore_errors=True)

    def _refuse_what_is_not_ours(self) -> None:
        known = ("pyvenv.cfg", IN_PROGRESS)
        ours = any(os.path.exists(self._file(name)) for name in known)
        if not (ours or (os.path.isdir(self.folder) and not os.listdir(self.folder))):
            raise Failure(
                "not_a_venv",
                f"{self.folder} is there already and is no virtual environment, so it is left "
                "as it is.",
            )

    def _file(self, name: str) -> str:
        return os.path.join(self.folder, name)


def main() -> NoReturn:
    """Do what the arguments say; the status is 0 when the environment holds what was asked for."""
    options = _options()
    # Control-C on the terminal is for the BEAM to decide about.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    programs = Programs()
    threading.Thread(target=programs.end_with, args=[0], daemon=True).start()
    folder = os.path.realpath(options.path)
    environment = Environment(folder, options.uv, programs)
    requirements = Requirements(options.file, options.line)
    try:
        outcome = ensure(environment, requirements, options.force)
        tell("outcome", outcome)
    except Failure as failure:
        fail(failure.reason, failure.details)
    except OSError as error:
        fail("venv_failed", f"{error.strerror}: {error.filename or folder}.")
    leave(0)


def ensure(environment: Environment, requirements: Requirements, force: bool) -> str:
    """Make the environment and install, as far as that has not been done."""
    try:
        fingerprint = requirements.fingerprint()
    except OSError as error:
        raise Failure(
            "install_failed", f"{error.filename} cannot be read: {error.strerror}."
        ) from error
    if not force and environment.is_up_to_date(fingerprint):
        return "unchanged"
    with locked(environment.folder + ".lock") as lock:
        if not force and environment.is_up_to_date(fingerprint):
            return "unchanged"
        if force or not environment.is_whole():
            environment.make(lock)
        environment.install(requirements, fingerprint, lock)
    return "installed"


@contextmanager
def locked(path: str) -> Iterator[int]:
    """Hold a lock among all who work on an environment; the file says who holds it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 1024, 0).decode("utf-8", "replace").strip()
            say(f"Waiting for {holder or 'another process'}, which holds {path}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{identity()}\n".encode(), 0)
        yield descriptor
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def identity() -> str:
    """Say who this is, to somebody who may be on another machine."""
    return (
        f"process {os.getpid()} of {os.environ.get('ERLANG_NODE', '?')} on {socket.gethostname()}"
    )


def say(text: str) -> None:
    """Print a line for the terminal."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def tell(key: str, value: str) -> None:
    """Print a line for the BEAM."""
    say(f"{MARK}{key}={' '.join(value.split())}")


def fail(reason: str, details: str) -> NoReturn:
    """Tell the BEAM why, and end."""
    tell("reason", reason)
    tell("details", details)
    leave(1)


def leave(status: int) -> NoReturn:
    """End at once: the thread that watches the input cannot be joined."""
    sys.stdout.flush()
    os._exit(status)


def _environment() -> dict[str, str]:
    # Those would have the environment's Python look elsewhere.
    unwanted = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    kept = {key: value for key, value in os.environ.items() if key not in unwanted}
    return {**kept, "PYTHONUNBUFFERED": "1"}


def _replace(path: str, text: str) -> None:
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make a virtual environment for the BEAM.")
    parser.add_argument("--path", required=True)
    parser.add_argument("--uv")
    parser.add_argument("--file")
    parser.add_argument("--line", action="append", default=[])
    parser.add_argument("--force", action="store_true")
    return parser.parse_args()
