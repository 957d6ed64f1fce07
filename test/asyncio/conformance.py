"""Runs CPython's own tests of asyncio with ``ErlangEventLoop`` as asyncio's selector loop."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import platform
import tempfile
import unittest
from asyncio import unix_events
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from not_applicable import NOT_APPLICABLE

import erlang

#: No test of CPython's takes longer; one that does has hung.
SECONDS_PER_TEST = 90


class Loop(erlang.ErlangEventLoop):
    """Our loop, made the way the tests make theirs."""

    def __init__(self, selector: Any = None) -> None:
        if selector is not None:
            selector.close()
        super().__init__()


def replace_the_loop() -> None:
    """Let asyncio and its tests make our loop wherever they make the selector loop."""
    for module in (asyncio, unix_events):
        for name in ("SelectorEventLoop", "EventLoop", "_UnixSelectorEventLoop"):
            if hasattr(module, name):
                setattr(module, name, Loop)
    unix_events._UnixDefaultEventLoopPolicy._loop_factory = Loop
    # Before 3.14 some tests give each loop a watcher of child processes. This one needs no signals.
    if hasattr(asyncio, "ThreadedChildWatcher"):
        asyncio.SafeChildWatcher = asyncio.ThreadedChildWatcher


class Result(unittest.TextTestResult):
    """Stops the whole process, and says where it was, when one test does not end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The standard error of the operating system's process, as nothing else may work by then.
        self._alarm = os.fdopen(os.dup(2), "w")

    def startTest(self, test: unittest.TestCase) -> None:
        faulthandler.dump_traceback_later(SECONDS_PER_TEST, exit=True, file=self._alarm)
        super().startTest(test)

    def stopTestRun(self) -> None:
        super().stopTestRun()
        faulthandler.cancel_dump_traceback_later()
        self._alarm.close()


def each(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each(test)
        else:
            yield test


def reason_against(test: unittest.TestCase) -> str | None:
    """Why the test says nothing about our loop; None if it does."""
    name = test.id().removeprefix("test.test_asyncio.")
    return next((why for like, why in NOT_APPLICABLE.items() if fnmatchcase(name, like)), None)


def run(names: list[str]) -> bool:
    """Run these test files, classes or methods, all if there are none; did they pass?"""
    replace_the_loop()
    wanted = [f"test.test_asyncio.{name}" for name in names] or ["test.test_asyncio"]
    found = list(each(unittest.defaultTestLoader.loadTestsFromNames(wanted)))
    against = [reason_against(test) for test in found]
    suite = unittest.TestSuite(test for test, why in zip(found, against) if why is None)

    home = os.getcwd()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        try:
            result = unittest.TextTestRunner(resultclass=Result).run(suite)
        finally:
            os.chdir(home)

    excluded = Counter(why for why in against if why is not None)
    for why, count in excluded.most_common():
        print(f"{count:5} do not apply: {why}")
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    skipped = len(result.skipped)
    print(
        f"asyncio of Python {platform.python_version()} on {Loop.__base__.__name__}: "
        f"{result.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped, "
        f"{sum(excluded.values())} do not apply"
    )
    return result.wasSuccessful()
