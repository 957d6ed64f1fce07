"""Compiling the source code that the BEAM sends; the native side keeps what comes out."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Optional

    Pair = tuple[Optional[CodeType], Optional[CodeType]]


def compile_exec(source: str) -> CodeType:
    """Statements, to be executed for what they do."""
    return compile(source, "<exec>", "exec", dont_inherit=True)


def compile_eval(source: str) -> Pair:
    """``(body, last)``: statements to execute, and the expression after them that gives the value.

    Either may be missing. Code that ends with a statement has no value, like a function without
    ``return``.
    """
    try:
        return None, compile(source.lstrip(), "<eval>", "eval", dont_inherit=True)
    except SyntaxError:
        return _split(source)


def _split(source: str) -> Pair:
    # Imported here: most code is a single expression, and `ast` takes a millisecond to load.
    import ast

    module = ast.parse(source, "<eval>")
    final = module.body[-1] if module.body else None
    if not isinstance(final, ast.Expr):
        return compile(module, "<eval>", "exec", dont_inherit=True), None
    last = ast.Expression(final.value)
    del module.body[-1]
    body = compile(module, "<eval>", "exec", dont_inherit=True) if module.body else None
    return body, compile(last, "<eval>", "eval", dont_inherit=True)
