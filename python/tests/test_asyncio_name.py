"""The name that asyncio support had once."""

from __future__ import annotations

import pytest


def test_importing_it_names_what_there_is_now() -> None:
    with pytest.raises(ImportError, match=r"import erlang, .* erlang\.run"):
        import erlang_asyncio  # noqa: F401
