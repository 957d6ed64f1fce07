"""Compiling the source code that the BEAM sends; the native side keeps what comes out."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from types import CodeType
    from typing import Optional

    Pair = tuple[Optional[CodeType], Optional[CodeType]]

#: How often a parse may fail for no fault of the source.
_ATTEMPTS = 10


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
        return compile_split(parse(source, "<eval>"), "<eval>")


def parse(source: str, file: str) -> ast.Module:
    """Return the syntax tree of source code."""
    # Imported here: most code is a single expression, and `ast` takes a millisecond to load.
    import ast

    for _ in range(1, _ATTEMPTS):
        try:
            return ast.parse(source, file)
        except SystemError:
            # Until 3.11.8 and 3.12.2, threads that parse at the same time count the depths of
            # their trees together, and CPython takes the sum for an error of its own.
            continue
    return ast.parse(source, file)


def compile_split(module: ast.Module, file: str) -> Pair:
    """Compile a syntax tree to what ``compile_eval`` returns; the tree loses its last part."""
    import ast

    last = None
    final = module.body[-1] if module.body else None
    if isinstance(final, ast.Expr):
        last = compile(ast.Expression(final.value), file, "eval", dont_inherit=True)
        del module.body[-1]
    body = compile(module, file, "exec", dont_inherit=True) if module.body else None
    return body, last
