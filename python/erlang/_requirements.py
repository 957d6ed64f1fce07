"""What an environment has to hold, and a fingerprint of it that changes when that does.

The fingerprint covers the text that is given, the files it includes (``-r``, ``-c``), and the
content of local archives and folders. Of a folder that is installed in place (``-e``) only what
its build is made from counts, since Python sees its modules anyway.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlparse

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Requirements"]

#: Changes with what is written here, so that environments of other versions are looked at anew.
FORMAT = "1"

#: Folders beside a project's sources that have no part in what is installed.
ASIDE = frozenset({"__pycache__", "build", "dist", "node_modules"})

#: The files that say how a project is built.
METADATA = ("pyproject.toml", "setup.cfg", "setup.py")

ARCHIVES = (".whl", ".tar.gz", ".tar.bz2", ".zip")


class Requirements(NamedTuple):
    """The packages asked for: by a file, or by lines as a requirements.txt has them."""

    file: str | None
    lines: list[str]

    @property
    def is_project(self) -> bool:
        """Whether they are the dependencies of a pyproject.toml."""
        return self.file is not None and os.path.basename(self.file) == "pyproject.toml"

    @property
    def folder(self) -> str:
        """Where relative paths among them begin."""
        return os.path.dirname(self.file) if self.file else os.getcwd()

    def text(self) -> str:
        """Return the lines for a file of their own, from which relative paths would lead astray."""
        return "".join(_absolute(line, self.folder) + "\n" for line in self.lines)

    def local(self) -> list[str]:
        """Return the folders and archives of this machine among them."""
        return [] if self.is_project else [path for path, _ in self._local()]

    def fingerprint(self) -> str:
        """Return a text that is another one when something else is asked for."""
        digest = hashlib.sha256()
        version = "{}.{}{}".format(*sys.version_info[:2], getattr(sys, "abiflags", ""))
        for part in (FORMAT, version, "\n".join(self.lines)):
            _add(digest, part.encode())
        for file in self._files():
            _add(digest, _read(file))
        if not self.is_project:
            for path, in_place in self._local():
                for file in _sources(path, in_place):
                    _add(digest, os.path.relpath(file, path).encode())
                    _add(digest, _read(file))
        return digest.hexdigest()

    def _files(self) -> list[str]:
        """Return the file and all that it includes."""
        found: list[str] = []
        wanted = [self.file] if self.file else []
        wanted += _included(self.lines, self.folder)
        while wanted:
            file = wanted.pop(0)
            if file not in found:
                found.append(file)
                if not self.is_project:
                    wanted += _included(_lines(file), os.path.dirname(file))
        return found

    def _local(self) -> Iterator[tuple[str, bool]]:
        texts = [self.lines, *map(_lines, self._files())]
        for line in (line for lines in texts for line in lines):
            yield from _local(line, self.folder)


def _lines(file: str) -> list[str]:
    """Return the lines of a requirements file, without comments, continued ones joined."""
    text = _read(file).decode("utf-8", "replace").replace("\\\n", "")
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line]


def _included(lines: list[str], folder: str) -> list[str]:
    values = [_option(line, "-r", "--requirement", "-c", "--constraint") for line in lines]
    return [os.path.join(folder, value) for value in values if value and "://" not in value]


def _option(line: str, *names: str) -> str | None:
    """Return the value of one of these options, if that is what the line is."""
    for name in names:
        match = re.match(re.escape(name) + (r"[ =]\s*" if name[1] == "-" else r"[ =]?\s*"), line)
        if match:
            return line[match.end() :].strip()
    return None


def _local(line: str, folder: str) -> Iterator[tuple[str, bool]]:
    """Give the path of a line that is one, and whether it is installed in place."""
    editable = _option(line, "-e", "--editable")
    path = _path(line if editable is None else editable, folder)
    if path is not None:
        yield path, editable is not None


def _path(text: str, folder: str) -> str | None:
    # Without `name @` before, and `; markers` and `[extras]` behind.
    text = re.sub(r"^[\w.-]+(\[[^\]]*\])?\s*@\s*", "", text).split(";")[0].strip()
    if text.startswith("file:"):
        return unquote(urlparse(text).path)
    path = re.sub(r"\[[^\]]*\]$", "", text)
    if path.startswith("-") or "://" in path or not (os.sep in path or _looks_local(path)):
        return None
    path = os.path.normpath(os.path.join(folder, os.path.expanduser(path)))
    return path if os.path.exists(path) else None


def _looks_local(text: str) -> bool:
    return text in (".", "..") or text.endswith(ARCHIVES)


def _absolute(line: str, folder: str) -> str:
    """Return a line whose path, if it has one, begins at the root."""
    included = _option(line, "-r", "--requirement", "-c", "--constraint")
    target = included or _option(line, "-e", "--editable") or line
    if included and "://" not in included:
        return line[: len(line) - len(target)] + os.path.join(folder, target)
    if "@" in target or target.startswith("file:") or _path(target, folder) is None:
        return line
    return line[: len(line) - len(target)] + os.path.join(folder, target)


def _sources(path: str, in_place: bool) -> Iterator[str]:
    if os.path.isfile(path):
        yield path
    elif in_place:
        yield from filter(os.path.isfile, (os.path.join(path, name) for name in METADATA))
    else:
        for folder, folders, files in os.walk(path):
            folders[:] = sorted(name for name in folders if _counts(os.path.join(folder, name)))
            yield from (os.path.join(folder, name) for name in sorted(files))


def _counts(folder: str) -> bool:
    name = os.path.basename(folder)
    aside = name in ASIDE or name.startswith(".") or name.endswith(".egg-info")
    return not aside and not os.path.exists(os.path.join(folder, "pyvenv.cfg"))


def _add(digest: hashlib._Hash, part: bytes) -> None:
    # With its length, so that no two lists of parts look the same.
    digest.update(b"%d:" % len(part))
    digest.update(part)


def _read(file: str) -> bytes:
    with open(file, "rb") as opened:
        return opened.read()
