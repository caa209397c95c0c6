"""The passes of a step: predictions of one network for the same latents that do not need each other.

A family's loop says which they are; who makes which is decided by whoever draws. Knows no model and no processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch import Tensor

Pass = Callable[[], Tensor]
Share = Callable[[Sequence[Pass]], list[Tensor]]
"""Makes passes, all of one shape and number format, and gives what they predict in their order."""
_share: ContextVar[Share | None] = ContextVar("share", default=None)


def predicted(text: Pass, *others: Pass | None) -> tuple[Any, ...]:
    """What each pass predicts, as a Tensor; None for one that is not needed."""
    wanted = [one for one in (text, *others) if one is not None]
    share = _share.get()
    made = iter([one() for one in wanted] if share is None else share(wanted))
    return tuple(None if one is None else next(made) for one in (text, *others))


def are_shared() -> bool:
    """Whether passes are made in several places: then a loop leaves them apart, rather than make a batch of them."""
    return _share.get() is not None


@contextmanager
def shared(share: Share) -> Iterator[None]:
    """While it holds, passes are made by `share`."""
    token = _share.set(share)
    try:
        yield
    finally:
        _share.reset(token)
