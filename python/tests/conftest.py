"""Running code in an interpreter as the BEAM starts it, with a stand-in for the native module."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import pytest

TESTS = Path(__file__).parent


class Seen(NamedTuple):
    """What the native module was told."""

    written: list[Any]
    logged: list[Any]

    def text(self, device: int) -> str:
        """All that was written to a device, by its bytes as Latin-1."""
        return "".join(text for to, text in self.written if to == device)


@pytest.fixture
def inside() -> Callable[[str], Seen]:
    """Run code in a fresh interpreter that has been connected to the BEAM."""

    def run(code: str, prelude: str = "") -> Seen:
        install = "import sys, erlang._output\nerlang._output.install()\n"
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(TESTS / "support" / "fake"), str(TESTS.parent)]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", prelude + install + dedent(code)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        return Seen(**json.loads(done.stdout))

    return run
