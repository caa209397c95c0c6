"""Ctrl-C and SIGTERM: the first asks the run to stop within its step, the second ends it at once."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from praxino.errors import Cancelled

GRACE_SECONDS = 0.5
"""How long, after a second signal, Python code gets to clean up before the process is ended from outside of it."""


class Interrupt:
    """Whether somebody asked to stop. While `stepping` is off, a signal raises KeyboardInterrupt where it hits."""

    def __init__(self) -> None:
        self.asked = False
        self.stepping = False

    def check(self) -> None:
        """Raise Cancelled when a stop was asked for. Call it after every step."""
        self.stepping = True
        if self.asked:
            raise Cancelled("")

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        if self.asked or not self.stepping:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Catch SIGINT and SIGTERM inside the block (main thread only; elsewhere signals stay as they are)."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, interrupt.handle) for number in numbers}
    with _watchdog():
        try:
            yield interrupt
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _watchdog() -> Iterator[None]:
    """End the process when a second signal finds it inside a long native call, where no Python handler runs."""
    here, there = socket.socketpair()
    there.setblocking(False)
    before = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
    left = threading.Event()
    threading.Thread(target=_end_on_second, args=(here, left), daemon=True).start()
    try:
        yield
    finally:
        left.set()
        signal.set_wakeup_fd(before)
        there.close()


def _end_on_second(wakeups: socket.socket, left: threading.Event) -> None:
    seen = 0
    with wakeups:
        while received := wakeups.recv(16):
            seen += sum(byte in (signal.SIGINT, signal.SIGTERM) for byte in received)
            if seen >= 2 and not left.wait(GRACE_SECONDS):
                os._exit(130)
