"""A call that owns its loop, as an iterator."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from praxino.families._stock.turns import in_turns


def test_items_come_in_order_and_only_when_wanted() -> None:
    done = []

    def work(hand_over: Callable[[int], None]) -> None:
        for number in range(3):
            done.append(number)
            hand_over(number)

    items = in_turns(work)
    assert done == []
    assert next(items) == 0 and done == [0]
    assert next(items) == 1 and done == [0, 1]
    assert list(items) == [2]


def test_closing_stops_the_work_and_waits_for_it() -> None:
    ended = []

    def work(hand_over: Callable[[int], None]) -> None:
        try:
            while True:
                hand_over(1)
        except Exception:
            ended.append("swallowed")
        finally:
            ended.append("cleaned up")

    before = threading.active_count()
    items = in_turns(work)
    next(items)
    items.close()
    assert ended == ["cleaned up"] and threading.active_count() == before


def test_what_the_work_raises_is_raised_after_what_it_gave() -> None:
    def work(hand_over: Callable[[int], None]) -> None:
        hand_over(1)
        raise KeyError("here")

    items = in_turns(work)
    assert next(items) == 1
    with pytest.raises(KeyError, match="here") as caught:
        next(items)
    assert caught.traceback[-1].name == "work"


def test_work_that_gives_nothing_is_done() -> None:
    assert list(in_turns(lambda hand_over: None)) == []
