"""The clip that a Request extends and keeps: what is drawn is put after or before it. Knows no family, no weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from praxino import media
from praxino.engine.conditions import Source
from praxino.engine.length import below, overlap_of
from praxino.errors import UserError
from praxino.families import Variant
from praxino.media.read import MAX_KEPT_FRAMES
from praxino.recipe import Extended
from praxino.request import Request


@dataclass(frozen=True)
class Joined:
    """A clip as it was read."""

    name: str
    frames: np.ndarray
    """(F, H, W, 3) uint8 RGB."""
    fps: float
    backward: bool

    def source(self, variant: Variant) -> Source:
        """The frames beside the seam, which the first piece is given."""
        count = self._overlap(variant)
        first = 0 if self.backward else len(self.frames) - count
        frame = -1 if self.backward else 0
        return Source(self.name, self.frames[first : first + count], frame, 1.0, first=first)

    def extended(self, variant: Variant) -> Extended:
        """What the recipe keeps of it."""
        return Extended(media.refer(self.frames, self.name), len(self.frames), self._overlap(variant))

    def _overlap(self, variant: Variant) -> int:
        return min(overlap_of(variant), below(len(self.frames), variant.grid))


def read_joined(request: Request) -> Joined | None:
    """The clip to extend and keep; None when the request has none.

    Raises:
        UserError: it cannot be read, or the request asks for what it cannot keep.
    """
    if not request.join or request.video is None:
        return None
    if request.keyframes:
        raise UserError("--keyframe counts the frames of a new clip; leave it out where --video is kept and extended.")
    frames, fps = media.read_clip(request.video, MAX_KEPT_FRAMES)
    if request.fps is not None and abs(request.fps - fps) > 0.01:
        raise UserError(
            f"{request.video} has {fps:g} frames per second, and keeps them; leave out --fps {request.fps:g}."
        )
    return Joined(request.video, frames, fps, request.extend == "backward")
