"""Starts a worker process for each device and keeps it running. Knows no torch: a crash of a worker cannot reach it.

A worker says that it lives by writing bytes to its standard output, a pipe. One that is silent too long is killed. One
that has died is reported to the store at once, so its job need not wait for the lease to run out, and is started anew.
A worker whose supervisor has died finds the pipe broken, and hands its job back.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from praxino.jobs.job import StoreUnavailable, new_id
from praxino.jobs.store import Store

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.1
FIRST_RESTART_SECONDS = 0.5
LONGEST_RESTART_SECONDS = 30.0
START_SECONDS = 120.0
"""How long a worker may take to give its first sign of life."""
STABLE_SECONDS = 60.0
"""A worker that lived this long is restarted without a growing delay."""
HAND_BACK_SIGNAL = getattr(signal, "SIGUSR1", signal.SIGTERM)
"""Tells a worker to hand its job back. Its own signal where there is one: of two equal ones the first may be lost."""


@dataclass
class _Child:
    """One device's process. Times are monotonic seconds."""

    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    incarnation: str = ""
    started: float = 0.0
    last_beat: float | None = None
    killed_for_silence: bool = False
    restart_at: float = 0.0
    restart_delay: float = FIRST_RESTART_SECONDS


class Supervisor:
    """Keeps one worker process for each device.

    Args:
        store: where deaths are reported.
        commands: for each device, the command that runs its worker; `--incarnation ID` is added.
        silence_seconds: a worker that gives no sign of life for this long is killed.
        drain_seconds: how long a drain lets jobs go on before they are handed back.
    """

    def __init__(
        self,
        store: Store,
        commands: Mapping[str, Sequence[str]],
        *,
        silence_seconds: float = 60.0,
        drain_seconds: float = 20.0,
    ) -> None:
        self._store = store
        self._children = {device: _Child(command) for device, command in commands.items()}
        self._silence_seconds = silence_seconds
        self._drain_seconds = drain_seconds
        self._unreported: list[tuple[str, str]] = []
        self._drain_asked = False
        self._hand_back_asked = False

    def drain(self) -> None:
        """Let every worker finish its job, for a while, and end; `run` returns then. Safe in a signal handler."""
        self._drain_asked = True

    def hand_back(self) -> None:
        """Have every worker hand its job back after its next step, and end."""
        self._hand_back_asked = True
        self._drain_asked = True

    def run(self) -> None:
        """Supervise until drained."""
        try:
            while not self._drain_asked:
                for device, child in self._children.items():
                    self._tend(device, child)
                self._report()
                time.sleep(TICK_SECONDS)
            self._end_all()
        finally:
            for child in self._children.values():
                if child.process is not None:
                    child.process.kill()

    def _tend(self, device: str, child: _Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.restart_at:
                self._start(device, child)
        elif child.process.poll() is not None:
            self._bury(device, child)
        elif self._is_silent(child, now) and not child.killed_for_silence:
            child.killed_for_silence = True
            child.process.kill()

    def _is_silent(self, child: _Child, now: float) -> bool:
        if child.last_beat is None:
            return now - child.started > START_SECONDS
        return now - child.last_beat > self._silence_seconds

    def _start(self, device: str, child: _Child) -> None:
        child.incarnation = new_id()
        child.killed_for_silence = False
        child.started, child.last_beat = time.monotonic(), None
        command = [*child.command, "--incarnation", child.incarnation]
        child.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        threading.Thread(target=_listen, args=(child, child.process), name=f"ear of {device}", daemon=True).start()
        logger.info("worker %s for %s has process %d", child.incarnation, device, child.process.pid)

    def _bury(self, device: str, child: _Child) -> None:
        """A worker has ended: report its death, and plan its successor."""
        assert child.process is not None
        silent = f"killed: it gave no sign of life for {self._silence_seconds:g} seconds"
        cause = silent if child.killed_for_silence else _cause(child.process.returncode)
        logger.warning("worker %s for %s has ended: %s", child.incarnation, device, cause)
        self._unreported.append((child.incarnation, f"the worker process ended: {cause}"))
        child.process = None
        lived = time.monotonic() - child.started
        child.restart_delay = (
            FIRST_RESTART_SECONDS if lived > STABLE_SECONDS else min(child.restart_delay * 2, LONGEST_RESTART_SECONDS)
        )
        child.restart_at = time.monotonic() + child.restart_delay

    def _report(self) -> None:
        while self._unreported:
            try:
                self._store.end_worker(*self._unreported[0])
            except StoreUnavailable as problem:
                logger.warning("%s; a worker's death is reported later", problem)
                return
            del self._unreported[0]

    def _end_all(self) -> None:
        running = [child.process for child in self._children.values() if child.process is not None]
        _signal(running, signal.SIGTERM)
        deadline = time.monotonic() + self._drain_seconds
        while _any_alive(running) and time.monotonic() < deadline and not self._hand_back_asked:
            time.sleep(TICK_SECONDS)
        deadline = time.monotonic() + self._silence_seconds
        while _any_alive(running) and time.monotonic() < deadline:
            _signal(running, HAND_BACK_SIGNAL)
            time.sleep(TICK_SECONDS)
        for device, child in self._children.items():
            if child.process is not None:
                child.process.kill()
                child.process.wait()
                self._bury(device, child)
        self._report()


def _listen(child: _Child, process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    with process.stdout as pipe:
        while os.read(pipe.fileno(), 4096):
            if child.process is process:
                child.last_beat = time.monotonic()


def _any_alive(processes: Sequence[subprocess.Popen[bytes]]) -> bool:
    return any(process.poll() is None for process in processes)


def _signal(processes: Sequence[subprocess.Popen[bytes]], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


def take_pipe() -> Callable[[], bool]:
    """In a worker process: keep standard output, the supervisor's pipe, for beats, and send prints to stderr instead.

    Returns:
        A function that beats once; False when the supervisor is gone.
    """
    sys.stdout.flush()
    pipe = os.dup(1)
    os.dup2(2, 1)

    def beat() -> bool:
        try:
            os.write(pipe, b".")
        except OSError:
            return False
        return True

    return beat
