"""For which request of the BEAM a task of an event loop runs."""

from __future__ import annotations

# The C half of `contextvars`, which is there anyway.
from _contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from erlang._native import _erlang

#: Set where the task is made, so that the tasks which it starts in turn inherit it.
REQUEST: ContextVar[_erlang.Promise] = ContextVar("erlang._request.REQUEST")
