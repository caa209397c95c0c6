"""The live display: one line with stage, bar and time left, and above it, where colours allow, a preview frame."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from praxino.cli.preview import half_blocks
from praxino.cli.terminal import Terminal
from praxino.cli.wording import bar, duration
from praxino.events import StepEvent

if TYPE_CHECKING:
    import numpy as np

STAGES = {"load": "loading", "encode": "reading", "denoise": "denoising", "decode": "decoding"}
REDRAW_SECONDS = 0.1
PREVIEW_SECONDS = 0.25
PREVIEW_SHARE = 0.05
"""The part of the waiting time that may go into previews."""
PREVIEW_COLUMNS, PREVIEW_ROWS = 40, 16


class Progress:
    """Redraws itself in place on every event that is worth it; `close` leaves the terminal as it was."""

    def __init__(
        self, stream: TextIO, terminal: Terminal, preview: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._terminal = terminal
        self._preview = preview and terminal.truecolor and terminal.unicode
        self._clock = clock
        self._picture: list[str] = []
        self._lines_drawn = 0
        self._next_draw = 0.0
        self._next_preview = 0.0

    @property
    def shows_previews(self) -> bool:
        """Whether previews of events are drawn."""
        return self._preview and self._terminal.moves

    def announce(self, text: str) -> None:
        """Draw a line that stands until the first event."""
        if self._terminal.moves:
            self._redraw([text[: self._terminal.columns - 1]])

    def show(self, event: StepEvent) -> None:
        """Draw the event, unless the last drawing is too fresh."""
        if not self._terminal.moves:
            return
        now = self._clock()
        if now < self._next_draw and event.step < event.num_steps:
            return
        self._next_draw = now + REDRAW_SECONDS
        if self._preview and event.preview is not None and now >= self._next_preview:
            self._draw_preview(event.preview)
        self._redraw([*self._picture, status_line(event, self._terminal)])

    def close(self) -> None:
        """Wipe the display away."""
        if self._lines_drawn:
            self._stream.write(self._back() + "\x1b[J")
            self._stream.flush()
            self._lines_drawn = 0

    def _draw_preview(self, preview: Callable[[], np.ndarray]) -> None:
        began = self._clock()
        rows = min(PREVIEW_ROWS, self._terminal.rows - 2)
        if rows > 0:
            self._picture = half_blocks(preview(), min(PREVIEW_COLUMNS, self._terminal.columns - 1), rows)
        ended = self._clock()
        self._next_preview = ended + max(PREVIEW_SECONDS, (ended - began) / PREVIEW_SHARE)

    def _redraw(self, lines: list[str]) -> None:
        self._stream.write(self._back() + "\n".join(line + "\x1b[K" for line in lines))
        self._stream.flush()
        self._lines_drawn = len(lines)

    def _back(self) -> str:
        up = self._lines_drawn - 1
        return "\r" + (f"\x1b[{up}A" if up > 0 else "")


def status_line(event: StepEvent, terminal: Terminal) -> str:
    """Stage, bar, steps and time left, cut to the terminal's width."""
    stage = STAGES[event.stage]
    if event.num_samples > 1:
        stage += f" {event.sample + 1} of {event.num_samples}"
    progress = bar(event.step / event.num_steps, terminal.unicode)
    left = f"{duration(event.seconds_left)} left" if event.step < event.num_steps else duration(event.seconds)
    return f"{stage} {progress} {event.step}/{event.num_steps}  {left}"[: terminal.columns - 1]
