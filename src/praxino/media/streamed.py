"""A video that is encoded while its later frames are still to come. Knows no recipe."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from praxino.errors import Cancelled
from praxino.media.formats import check_output
from praxino.media.provenance import encodable
from praxino.media.video import write_video
from praxino.media.write import sync, temporary_beside
from praxino.recipe import Encoding


class StreamedVideo:
    """Encodes frames in a thread as they are given, into the bytes that `save` gives. Ends by `finish` or `abandon`.

    Args:
        path: the file; what is there is replaced by `finish`, and not before.
        encoding: format "mp4" or "webm", without a grid and a sheet.
        fps: frames per second.
        metadata: the recipe's JSON text, to keep in the file; None leaves no trace.

    Raises:
        UserError: as `check_output`.
    """

    def __init__(self, path: Path, encoding: Encoding, fps: float, metadata: str | None) -> None:
        check_output(path, encoding)
        text = None if metadata is None else encodable(metadata)
        self._path, self._temporary = path, temporary_beside(path)
        self._chunks: SimpleQueue[np.ndarray | None] = SimpleQueue()
        self._abandoned = False
        self._pool = ThreadPoolExecutor(1)
        self._written = self._pool.submit(write_video, self._frames(), self._temporary, encoding, fps, text)

    def put(self, frames: np.ndarray) -> None:
        """Add frames, (f, H, W, 3) uint8 RGB; they must not change afterwards. Returns at once."""
        self._chunks.put(frames)

    def finish(self) -> None:
        """Wait until all is encoded, and put the file in its place. Raises what went wrong while encoding."""
        self._chunks.put(None)
        self._written.result()
        self._pool.shutdown()
        sync(self._temporary)
        os.replace(self._temporary, self._path)

    def abandon(self) -> None:
        """Stop within a frame; nothing is left behind."""
        self._abandoned = True
        self._chunks.put(None)
        self._pool.shutdown()
        self._temporary.unlink(missing_ok=True)

    def _frames(self) -> Iterator[np.ndarray]:
        while (chunk := self._chunks.get()) is not None:
            for frame in chunk:
                if self._abandoned:
                    break
                yield frame
        if self._abandoned:
            raise Cancelled("the video was abandoned")
