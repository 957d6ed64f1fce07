"""What an isolated interpreter refuses: CPython itself is asked, and then our words for it."""

import subprocess
import sys
import sysconfig
import threading
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from erlang import _isolation

needs_isolation = pytest.mark.skipif(
    sys.version_info < (3, 12) or not getattr(sys, "_is_gil_enabled", lambda: True)(),
    reason="interpreters with a GIL of their own came with Python 3.12",
)

# Imports each module named on the command line: in the main interpreter first, as CPython notices
# some only the second time, and then in an isolated one. Prints what the latter could not have, and
# what neither could: a shared library that the module needs may be missing on this machine.
PROBE = """
import importlib, sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

CODE = '''
try:
    __import__(name)
except BaseException as error:
    print("refused", name, error)
'''

for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        print("missing", name, error)
        continue
    interpreter = interpreters.create()
    interpreters.run_string(interpreter, f"name = {name!r}" + CODE)
    interpreters.destroy(interpreter)
"""


def extensions() -> set[str]:
    """The names of the standard modules that are not written in Python and that this build has."""
    folder = Path(sysconfig.get_config_var("DESTSHARED"))
    files = {path.name.partition(".")[0] for path in folder.glob("*.so")}
    return (files | set(sys.builtin_module_names)) & set(sys.stdlib_module_names)


def failing(*names: str) -> tuple[list[str], list[str]]:
    """What an isolated interpreter refuses of these modules, and what no interpreter could load.

    In a process of their own.
    """
    command = [sys.executable, "-W", "ignore", "-c", PROBE, *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line.partition(" ") for line in done.stdout.splitlines()]
    refused, missing = (
        [text for kind, _, text in lines if kind == each] for each in ("refused", "missing")
    )
    return refused, missing


# One process each: what is refused has run already and may have broken something.
@needs_isolation
@pytest.mark.parametrize("name", sorted(_isolation.refused()))
def test_cpython_itself_cannot_have_what_is_listed(name: str) -> None:
    if name not in extensions():
        pytest.skip(f"this build has no {name}")
    refused, missing = failing(name)
    if missing:
        pytest.skip(missing[0])
    assert [line.partition(" ")[0] for line in refused] == [name]


@needs_isolation
def test_all_other_standard_extensions_work_there() -> None:
    refused, _missing = failing(*sorted(extensions() - _isolation.refused()))
    assert refused == []


def test_every_python_with_isolated_interpreters_has_a_list() -> None:
    if sys.version_info >= (3, 12):
        assert _isolation.refused()
    else:
        assert _isolation.refused() == frozenset()


def test_a_refusal_says_what_to_do_in_words_that_tools_look_for() -> None:
    finder = _isolation.Refusal(frozenset({"readline"}))
    with pytest.raises(ImportError) as caught:
        finder.find_spec("readline")
    assert caught.value.name == "readline"
    assert "module readline does not support loading in subinterpreters" in str(caught.value)
    assert "mode: :worker" in str(caught.value)


def test_other_modules_are_left_to_other_finders() -> None:
    finder = _isolation.Refusal(frozenset({"readline"}))
    assert finder.find_spec("math") is None


@pytest.mark.parametrize("mode", ["worker", "free_threaded", "multi_executor"])
def test_the_main_interpreter_is_left_as_it_is(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    finders = list(sys.meta_path)
    monkeypatch.setattr(sys, "meta_path", list(finders))
    _isolation.install(mode)
    assert sys.meta_path == finders


def test_a_refused_module_is_not_found_where_it_could_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """The finder comes before all others, so none of the module's code is run."""
    monkeypatch.setattr(_isolation, "refused", lambda mode: frozenset({"readline"}))
    monkeypatch.setattr(_isolation, "_before_loading", lambda check: None)
    monkeypatch.setattr(_isolation.atexit, "register", lambda function: None)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.delitem(sys.modules, "readline", raising=False)
    _isolation.install("own_gil")
    with pytest.raises(ImportError, match="subinterpreters"):
        __import__("readline")


def test_the_answer_about_an_extension_decides_before_it_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    native = type(sys)("_erlang")
    vars(native)["is_multi_phase"] = lambda name, path: name != "old"
    monkeypatch.setattr(_isolation, "_erlang", native)
    _isolation._refuse_single_phase(ModuleSpec("new", None), "/lib/new.so")
    with pytest.raises(ImportError, match="module old does not support") as caught:
        _isolation._refuse_single_phase(ModuleSpec("old", None), "/lib/old.so")
    assert caught.value.path == "/lib/old.so"


@pytest.fixture
def imported_in_main(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the modules that the main interpreter is asked to import."""
    names: list[str] = []
    native = type(sys)("_erlang")
    vars(native)["import_in_main"] = names.append
    monkeypatch.setattr(_isolation, "_erlang", native)
    return names


def test_the_standard_library_is_not_loaded_in_the_main_interpreter_first(
    imported_in_main: list[str],
) -> None:
    _isolation._let_main_be_first(ModuleSpec("math", None), "/usr/lib/lib-dynload/math.so")
    _isolation._let_main_be_first(ModuleSpec("orjson", None), "/site-packages/orjson.so")
    assert imported_in_main == ["orjson"]


def test_what_all_interpreters_share_is_filled_in_by_the_main_one(
    imported_in_main: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_isolation.SHARED, sys.version_info[:2], {"_half": "whole"})
    for name in ("_half", "_other"):
        _isolation._let_main_fill(ModuleSpec(name, None), f"/usr/lib/lib-dynload/{name}.so")
    assert imported_in_main == ["whole"]


def test_what_threading_notes_of_this_thread_is_dropped() -> None:
    noted = threading.local()
    noted.reference = object()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "_thread_local_info", noted, raising=False)
        _isolation._forget_this_thread()
        patch.delattr(threading, "_thread_local_info")
        _isolation._forget_this_thread()
        patch.delitem(sys.modules, "threading")
        _isolation._forget_this_thread()
    assert vars(noted) == {}
