"""What an interpreter says about its memory, for ``Py.memory_stats`` and ``Py.gc``."""

from __future__ import annotations

import gc
import sys


def stats() -> dict[str, object]:
    """Return the counts of this interpreter's garbage collector, and what is traced.

    Tracing is the whole process's. It shows only where ``tracemalloc`` has been imported, as most
    sub-interpreters cannot have it.
    """
    traced = None
    tracemalloc = sys.modules.get("tracemalloc")
    if tracemalloc is not None and tracemalloc.is_tracing():
        traced = list(tracemalloc.get_traced_memory())
    return {
        "tracked": len(gc.get_objects()),
        "counts": list(gc.get_count()),
        "thresholds": list(gc.get_threshold()),
        "generations": gc.get_stats(),
        "traced": traced,
    }


def collect(generation: int) -> int:
    """Collect garbage and return how many objects were found unreachable."""
    return gc.collect(generation)
