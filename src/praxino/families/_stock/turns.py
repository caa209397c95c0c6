"""A call that owns its loop, turned into an iterator. Knows nothing of what is called."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class Stopped(BaseException):
    """Raised inside the call when nobody wants its next item. No Exception, so that no `except` in it takes it."""


def in_turns(work: Callable[[Callable[[T], None]], None]) -> Generator[T, None, None]:
    """Yield what `work` hands over, in the order in which it does.

    `work` runs in a thread of its own, but only while the next item is waited for: it is given a function that hands
    one item over and returns when the next is wanted. Closing the generator raises `Stopped` there, and waits for the
    thread to end. What `work` raises is raised here, with its traceback.
    """
    handed: queue.SimpleQueue[tuple[T] | None] = queue.SimpleQueue()
    wanted = threading.Semaphore(0)
    closed = threading.Event()
    outcome: Future[None] = Future()

    def hand_over(item: T) -> None:
        handed.put((item,))
        wanted.acquire()
        if closed.is_set():
            raise Stopped

    def follow() -> None:
        try:
            work(hand_over)
            outcome.set_result(None)
        except BaseException as problem:
            outcome.set_exception(problem)
        finally:
            handed.put(None)

    thread = threading.Thread(target=follow, name="pipeline", daemon=True)
    thread.start()
    try:
        while (item := handed.get()) is not None:
            yield item[0]
            wanted.release()
    finally:
        closed.set()
        wanted.release()
        thread.join()
    outcome.result()
