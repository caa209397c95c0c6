"""How reading and moving large files is told: one live line for people, a JSON event each time for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

import click

from praxino.cli.terminal import Terminal, examine
from praxino.cli.wording import amount, bar, duration

REDRAW_SECONDS = 0.1


class Telling:
    """What a user sees of a command that moves files: people on stderr, programs on stdout."""

    def __init__(self, quiet: bool, as_json: bool) -> None:
        self.quiet = quiet
        self.as_json = as_json

    def say(self, line: str) -> None:
        """A line for people."""
        if not (self.quiet or self.as_json):
            click.echo(line, err=True)

    def event(self, kind: str, /, **values: Any) -> None:
        """An event for programs."""
        if self.as_json:
            click.echo(json.dumps({"event": kind, **values}, ensure_ascii=False))

    def result(self, text: str) -> None:
        """The one thing that a script wants: on stdout, unless a person watches it and was told already."""
        if not self.as_json and (self.quiet or not sys.stdout.isatty()):
            click.echo(text)

    def counting(self, doing: str, total_bytes: int = 0, done_bytes: int = 0, last: str = "") -> Counting:
        """A live count of bytes, to be used as a context manager; `last` is what is still done when all are there."""
        return Counting(self, doing, total_bytes, done_bytes, last)


class Counting:
    """Counts bytes towards a total, and draws them in place where the terminal can."""

    def __init__(
        self,
        telling: Telling,
        doing: str,
        total_bytes: int,
        done_bytes: int = 0,
        last: str = "",
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._telling = telling
        self._doing = doing
        self._total = total_bytes
        self._done = self._done_before = done_bytes
        self._last = last
        self._stream = stream or sys.stderr
        self._terminal = examine(self._stream)
        self._clock = clock
        self._began = self._next_draw = clock()

    def __enter__(self) -> Counting:
        return self

    def __exit__(self, *_: object) -> None:
        if self._draws:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def add(self, num_bytes: int) -> None:
        """Count further bytes; a negative number takes some back."""
        self.reach(self._done + num_bytes, self._total)

    def reach(self, done_bytes: int, total_bytes: int) -> None:
        """Have counted so many, of so many."""
        self._done, self._total = done_bytes, total_bytes
        self._telling.event("progress", doing=self._doing, bytes=self._done, total_bytes=self._total)
        now = self._clock()
        if self._draws and (now >= self._next_draw or self._done >= self._total):
            self._next_draw = now + REDRAW_SECONDS
            rate = (self._done - self._done_before) / max(now - self._began, 1e-3)
            doing = self._last if self._last and self._done >= self._total else self._doing
            self._stream.write("\r" + line(doing, self._done, self._total, rate, self._terminal) + "\x1b[K")
            self._stream.flush()

    @property
    def _draws(self) -> bool:
        return self._terminal.moves and not (self._telling.quiet or self._telling.as_json)


def line(doing: str, done: int, total: int, bytes_per_second: float, terminal: Terminal) -> str:
    """What is done, of how much, how fast and how long yet, cut to the terminal's width."""
    share = min(done / total, 1.0) if total else 1.0
    text = f"{doing} {bar(share, terminal.unicode)} {amount(done)} of {amount(total)}"
    if done < total and bytes_per_second > 0:
        text += f"  {amount(round(bytes_per_second))}/s  {duration((total - done) / bytes_per_second)} left"
    return text[: terminal.columns - 1]
