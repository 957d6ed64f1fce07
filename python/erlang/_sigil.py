"""Python code within Elixir code: which of its names are variables of both, and running it.

``Py.Sigil`` needs to know the names while it compiles Elixir. There may be no context then, so
this file also runs as a script of its own, and imports nothing but the standard library:
``python -X utf8 _sigil.py SOURCE FILE LINE`` prints the ``report``.
"""

from __future__ import annotations

import ast
import sys
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from erlang._code import Pair

# What the compiler makes of a name that belongs to no function. Comprehensions keep theirs out of
# these instructions, which the symbol tables of Python 3.12 do not.
_READS = frozenset(
    ["LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS", "DELETE_NAME", "DELETE_GLOBAL"]
)


def report(source: str, file: str, line: int) -> str:
    """What is to be known of source that begins on that line, for a reader of lines.

    ``reads NAME`` for each name that comes from outside of the code, ``assigns NAME`` for each
    that it may leave behind; or else ``error LINE MESSAGE``. Names that begin with an underscore
    are the code's own and left out.
    """
    try:
        reads, assigns = _names(ast.parse(_padded(source, line), file), file)
    except SyntaxError as error:
        return f"error {error.lineno or line} {_complaint(error)}"
    except (ValueError, RecursionError, MemoryError) as error:
        # A null character; nesting without end.
        return f"error {line} {error}"
    lines = [f"reads {name}" for name in sorted(reads)]
    return "\n".join([*lines, *(f"assigns {name}" for name in sorted(assigns))])


def run(
    source: str,
    file: str,
    line: int,
    assigns: list[str],
    namespace: dict[str, Any],
    variables: dict[str, Any] | None,
) -> tuple[Any, dict[str, Any]]:
    """Run source in a copy of the namespace that has the variables in it.

    The value of its last expression, and those of the names it has given a new value.
    """
    before = {**namespace, **(variables or {})}
    names = dict(before)
    body, last = _compiled(source, file, line)
    if body is not None:
        exec(body, names)
    value = None if last is None else eval(last, names)
    # By identity: what the code has not touched stays in Elixir what it was.
    changed = {
        name: names[name]
        for name in assigns
        if name in names and not (name in before and names[name] is before[name])
    }
    return value, changed


@lru_cache(maxsize=512)
def _compiled(source: str, file: str, line: int) -> Pair:
    # Imported here, as the script has no package.
    from erlang import _code

    module = _code.parse(_padded(source, line), file)
    for node in ast.walk(module):
        if isinstance(node, (ast.expr, ast.stmt)):
            # Columns are not those of the Elixir file, where there is more on a line; tracebacks
            # would point at the wrong words.
            node.col_offset = node.end_col_offset = -1
    return _code.compile_split(module, file)


def _padded(source: str, line: int) -> str:
    if "\n" not in source:
        source = source.strip()
    # Empty lines before it give every line the number that it has in the Elixir file.
    return "\n" * (line - 1) + source


def _names(module: ast.Module, file: str) -> tuple[set[str], set[str]]:
    # Imported here, as only compiling Elixir needs it.
    import dis

    reads: set[str] = set()
    assigns: set[str] = set()
    top = compile(module, file, "exec", dont_inherit=True)
    pending = [top]
    while pending:
        code = pending.pop()
        pending.extend(constant for constant in code.co_consts if isinstance(constant, type(code)))
        # Only at the top is a name that is stored a variable of the module; it may belong to a
        # class elsewhere.
        stores = {"STORE_GLOBAL", "STORE_NAME"} if code is top else {"STORE_GLOBAL"}
        for instruction in dis.get_instructions(code):
            name = instruction.argval
            if not isinstance(name, str) or name.startswith("_"):
                continue
            if instruction.opname in _READS:
                reads.add(name)
            elif instruction.opname in stores:
                assigns.add(name)
    return reads, assigns


def _complaint(error: SyntaxError) -> str:
    text = (error.text or "").strip()
    return f"{error.msg}: {text}" if text else str(error.msg)


if __name__ == "__main__":
    _source, _file, _line = sys.argv[1:]
    print(report(_source, _file, int(_line)), end="")
