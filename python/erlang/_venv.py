"""Virtual environments in a running interpreter: as if Python had been started in one.

``sync`` is what the BEAM calls in every interpreter. What an environment brings is noted when it
is activated, so that it can be taken out again: entries of ``sys.path``, finders that its ``.pth``
files have installed, and the prefixes. Modules that have been imported stay.
"""

from __future__ import annotations

import importlib
import os
import site
import sys
import sysconfig
from _thread import allocate_lock
from typing import Any, NamedTuple

__all__ = ["packages", "sync"]


class _Before(NamedTuple):
    """What an interpreter had when an environment was activated in it."""

    path: list[str]
    prefix: str
    exec_prefix: str
    prefixes: list[str]


class _Active(NamedTuple):
    """An environment, and what it has changed."""

    folder: str
    before: _Before
    path: list[str]
    hidden: list[str]
    added: list[str]
    finders: list[Any]
    hooks: list[Any]


# Contexts may share an interpreter, and be told at once. A number goes with every change, so that
# one which had to wait for a busy context undoes none that has overtaken it.
_lock = allocate_lock()
_latest = 0
_active: _Active | None = None


def sync(folder: str | None, number: int) -> bool:
    """Activate the environment in ``folder``, or none; False when a later change has been made."""
    global _latest, _active
    with _lock:
        if number < _latest:
            return False
        _latest = number
        if _active is not None:
            _restore(_active)
            _active = None
        # In the environment that Python was started in there is nothing to change.
        if folder is not None and os.path.realpath(folder) != os.path.realpath(sys.prefix):
            _active = _activate(folder)
        importlib.invalidate_caches()
        return True


def packages(folder: str) -> list[str]:
    """Return the folders of an environment that hold its packages."""
    scheme = "venv" if "venv" in sysconfig.get_scheme_names() else "posix_prefix"
    places = {"base": folder, "platbase": folder}
    found = [sysconfig.get_path(name, scheme, places) for name in ("purelib", "platlib")]
    return list(dict.fromkeys(found))


def _activate(folder: str) -> _Active:
    before = _Before(list(sys.path), sys.prefix, sys.exec_prefix, list(site.PREFIXES))
    finders, hooks = list(sys.meta_path), list(sys.path_hooks)

    hidden = _site_folders()
    rest = [entry for entry in sys.path if entry not in hidden]
    # Its packages take the place of the others, behind the standard library.
    place = next((i for i, entry in enumerate(sys.path) if entry in hidden), len(rest))
    wanted = packages(folder)
    prefixes = [folder]
    if _includes_system(folder):
        prefixes += [sys.base_prefix]
        wanted += site.getsitepackages([sys.base_prefix, sys.base_exec_prefix])

    sys.path[:] = rest
    for entry in wanted:
        site.addsitedir(entry)
    added = sys.path[len(rest) :]
    sys.path[:] = rest[:place] + added + rest[place:]
    sys.prefix = sys.exec_prefix = folder
    site.PREFIXES[:] = prefixes
    return _Active(
        folder,
        before,
        list(sys.path),
        [entry for entry in before.path if entry in hidden],
        added,
        [finder for finder in sys.meta_path if finder not in finders],
        [hook for hook in sys.path_hooks if hook not in hooks],
    )


def _restore(active: _Active) -> None:
    if sys.path == active.path:
        sys.path[:] = active.before.path
    else:
        # Code has changed it since, and keeps what it did.
        kept = [entry for entry in sys.path if entry not in active.added]
        sys.path[:] = kept + [entry for entry in active.hidden if entry not in kept]
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder not in active.finders]
    sys.path_hooks[:] = [hook for hook in sys.path_hooks if hook not in active.hooks]
    sys.prefix, sys.exec_prefix = active.before.prefix, active.before.exec_prefix
    site.PREFIXES[:] = active.before.prefixes
    for entry in active.added:
        sys.path_importer_cache.pop(entry, None)


def _site_folders() -> list[str]:
    """Return where this interpreter looks for packages now."""
    user = [site.USER_SITE] if site.USER_SITE else []
    return [*site.getsitepackages(), *user]


def _includes_system(folder: str) -> bool:
    try:
        with open(os.path.join(folder, "pyvenv.cfg"), encoding="utf-8") as file:
            settings = dict(line.partition("=")[::2] for line in file)
    except OSError:
        return False
    settings = {key.strip().lower(): value.strip().lower() for key, value in settings.items()}
    return settings.get("include-system-site-packages") == "true"
