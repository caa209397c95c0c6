"""Keeps a run's newest preview as a file that others can look at while it runs."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from praxino.events import StepEvent

LEAST_SECONDS = 1.0
SHARE = 0.02
"""The part of the run's time that may go into previews."""


class PreviewFile:
    """A PNG, replaced as a whole.

    Args:
        path: where; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = 0.0

    def show(self, event: StepEvent) -> None:
        """Draw an event's preview, unless it has none, the last one is too fresh, or the disk is full."""
        began = time.monotonic()
        if event.preview is None or began < self._next:
            return
        from praxino.media.image import encode_png

        picture = encode_png(event.preview()[None], 1, 0, None)
        temporary = self._path.with_name(f".{self._path.name}.part")
        with contextlib.suppress(OSError):
            temporary.write_bytes(picture)
            temporary.replace(self._path)
        ended = time.monotonic()
        self._next = ended + max(LEAST_SECONDS, (ended - began) / SHARE)
