"""Named points at which a test can strike a process: PRAXINO_FAULT=point:action or point:action:pass.

The action happens on the given pass of the point in this process (the first by default):
kill (SIGKILL), stop (SIGSTOP), segv (SIGSEGV), hang (never return), full (the error of a full disk).
"""

from __future__ import annotations

import errno
import os
import signal
import threading

_point, _, _rest = os.environ.get("PRAXINO_FAULT", "").partition(":")
_action, _, _count = _rest.partition(":")
_passes_left = int(_count or 1)
_counting = threading.Lock()


def point(name: str) -> None:
    """Pass the point `name`."""
    if name == _point:
        _strike_when_due()


def _strike_when_due() -> None:
    global _passes_left
    with _counting:
        _passes_left -= 1
        if _passes_left != 0:
            return
    if _action == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if _action == "hang":
        threading.Event().wait()
    numbers = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "segv": signal.SIGSEGV}
    os.kill(os.getpid(), numbers[_action])
