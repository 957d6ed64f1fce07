"""What a thread is doing, as another thread of its interpreter sees it."""

from __future__ import annotations

import sys
import traceback


def describe(thread: int) -> str:
    """Show the stack of a thread the way Python shows one, most recent call last."""
    frame = sys._current_frames().get(thread)
    if frame is None:
        return "no Python code is running"
    stack = traceback.StackSummary.extract(traceback.walk_stack(frame))
    stack.reverse()
    return "Stack (most recent call last):\n" + "".join(stack.format())
