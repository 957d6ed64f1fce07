"""What an interpreter says about its memory."""

import gc
import tracemalloc

from erlang import _memory


class Knot:
    """An object that only the garbage collector can free."""

    def __init__(self) -> None:
        self.self = self


def test_the_counts_are_those_of_the_collector() -> None:
    stats = _memory.stats()
    assert stats["thresholds"] == list(gc.get_threshold())
    assert [set(each) for each in stats["generations"]] == [  # type: ignore[attr-defined]
        {"collections", "collected", "uncollectable"}
    ] * len(gc.get_stats())
    assert len(stats["counts"]) == 3  # type: ignore[arg-type]


def test_what_lives_is_tracked() -> None:
    gc.collect()
    before = _memory.stats()["tracked"]
    kept = [[] for _ in range(10_000)]  # type: ignore[var-annotated]
    after = _memory.stats()["tracked"]
    assert after - before >= len(kept)  # type: ignore[operator]


def test_collecting_finds_what_nobody_reaches() -> None:
    gc.disable()
    try:
        gc.collect()
        for _ in range(100):
            Knot()
        assert _memory.collect(2) >= 100
        assert _memory.collect(0) == 0
    finally:
        gc.enable()


def test_traced_memory_shows_while_it_is_traced() -> None:
    assert _memory.stats()["traced"] is None
    tracemalloc.start()
    try:
        kept = bytes(1_000_000)
        current, peak = _memory.stats()["traced"]  # type: ignore[misc]
        assert peak >= current >= len(kept)
    finally:
        tracemalloc.stop()
    assert _memory.stats()["traced"] is None
