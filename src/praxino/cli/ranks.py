"""A command run as several processes, one a GPU: started, watched, and ended together.

The first (rank 0) is the command as ever, at the terminal; the others are silent.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from praxino.accel.launched import RENDEZVOUS

POLL_SECONDS = 0.05
LAST_WORDS_SECONDS = 15.0
"""How long the others get to end by themselves, once one has."""
Process = subprocess.Popen[Any]
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_as_ranks(count: int, args: Sequence[str], device: str | None) -> int:
    """The exit code of the first process; 1 when it had to be ended because another was."""
    with tempfile.TemporaryDirectory(prefix="praxino-") as folder:
        shared = {**os.environ, RENDEZVOUS: str(Path(folder) / "store"), "WORLD_SIZE": str(count)}
        shared["LOCAL_WORLD_SIZE"] = str(count)
        if sys.platform == "linux":
            shared.setdefault("GLOO_SOCKET_IFNAME", "lo")
        if device == "cpu":
            shared.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
        command = [sys.executable, "-m", "praxino", *args]
        ranks: list[Process] = []
        try:
            for rank in range(count):
                environment = {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}
                silent: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}
                more = {**silent, "start_new_session": True} if rank else {}
                ranks.append(subprocess.Popen(command, env=environment, **more))
            with _passing_on(ranks[0]):
                return _watched(ranks)
        finally:
            _end(ranks)


def _watched(ranks: Sequence[Process]) -> int:
    """Wait until the first has ended, or has had its time after another failed."""
    while ranks[0].poll() is None:
        if failed := next((code for rank in ranks[1:] if (code := rank.poll())), 0):
            _wait_for(ranks[:1])
            if ranks[0].poll() is None:
                return _without_a_word(len(ranks), failed)
            return abs(ranks[0].returncode or failed)
        time.sleep(POLL_SECONDS)
    if ranks[0].returncode == 0:
        _wait_for(ranks)
    return abs(ranks[0].returncode)


def _without_a_word(count: int, code: int) -> int:
    """Say what the first process did not come to say: it waits for one that is no more."""
    click.echo(f"praxino: one of {count} processes ended without a word (exit code {code}).", err=True)
    return 1


def _wait_for(ranks: Sequence[Process]) -> None:
    until = time.monotonic() + LAST_WORDS_SECONDS
    while time.monotonic() < until and any(rank.poll() is None for rank in ranks):
        time.sleep(POLL_SECONDS)


def _end(ranks: Sequence[Process]) -> None:
    for rank in ranks:
        if rank.poll() is None:
            rank.kill()
        rank.wait()
        if rank.stdin is not None:
            rank.stdin.close()


@contextmanager
def _passing_on(first: Process) -> Iterator[None]:
    """Signals are the first process's to answer: Ctrl-C reaches it by the terminal, SIGTERM is handed on."""

    def handle(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            first.send_signal(number)

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
