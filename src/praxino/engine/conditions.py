"""The pictures and clips of a Request, read, checked and placed in time. Knows no family and no weights."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from praxino import media
from praxino.errors import UserError
from praxino.recipe import Condition
from praxino.request import Request


@dataclass(frozen=True)
class Source:
    """A picture or clip as it was read, and where in the new clip it belongs."""

    name: str
    frames: np.ndarray
    """(F, H, W, 3) uint8 RGB."""
    frame: int
    """The pixel frame of the new clip that it starts at; from the clip's end when negative."""
    strength: float

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.frames.shape[2], self.frames.shape[1]


def read_sources(request: Request) -> list[Source]:
    """Read every picture and clip that the request names.

    Raises:
        UserError: a file is not readable as such, or a keyframe is not written as FILE@FRAME[:STRENGTH].
    """
    return list(_sources(request))


def place_sources(sources: list[Source], num_frames: int, frame_step: int) -> tuple[Condition, ...]:
    """Turn sources into conditions, sorted by frame.

    Raises:
        UserError: a keyframe lies outside of the clip, or two of them on one frame.
    """
    conditions: list[Condition] = []
    for source in sources:
        first, frames = _overlap(source, num_frames, frame_step)
        frame = source.frame if source.frame >= 0 else num_frames - len(frames)
        if frame >= num_frames:
            raise UserError(f"keyframe {source.name} is at frame {frame}; the clip's frames are 0 to {num_frames - 1}.")
        conditions.append(Condition(frame, source.strength, media.embed(frames, _told_name(source), first)))
    conditions.sort(key=lambda condition: condition.frame)
    for one, other in itertools.pairwise(conditions):
        if one.frame == other.frame:
            raise UserError(f"{one.media.source} and {other.media.source} are both at frame {one.frame}; move one.")
    return tuple(conditions)


def _sources(request: Request) -> Iterator[Source]:
    strength = 1.0 if request.strength is None else request.strength
    if first := request.image or request.first:
        yield Source(first, media.read_picture(first), 0, strength)
    for text in request.keyframes:
        yield _keyframe(text)
    if request.last:
        yield Source(request.last, media.read_picture(request.last), -1, strength)
    if request.video:
        frames, _ = media.read_clip(request.video)
        if len(frames) < 2:
            raise UserError(
                f"--video {request.video} has one frame; give a clip of several, or use --image for a picture."
            )
        yield Source(request.video, frames, -1 if request.extend == "backward" else 0, strength)
    elif request.extend:
        raise UserError("--extend needs the clip to extend: --video FILE")


def _keyframe(text: str) -> Source:
    name, _, place = text.rpartition("@")
    frame, _, strength = place.partition(":")
    try:
        index, weight = int(frame), float(strength or 1)
    except ValueError:
        index, weight = -1, -1.0
    if not (name and index >= 0 and 0 <= weight <= 1):
        raise UserError(
            f"--keyframe is {text[:200]!r}; write FILE@FRAME[:STRENGTH], as in sun.png@16:0.8 "
            "(frames count from 0, strength is 0 to 1)."
        )
    return Source(name, media.read_picture(name), index, weight)


def _told_name(source: Source) -> str:
    """What the recipe calls it: a picture travels inside the recipe, so its folder is nobody's business."""
    return Path(source.name).name if len(source.frames) == 1 else source.name


def _overlap(source: Source, num_frames: int, frame_step: int) -> tuple[int, np.ndarray]:
    """The frames of a source that the new clip shares, and the index of the first of them.

    Of a clip to extend that is its end, or its beginning when going backward. Their number is on the frame grid and at
    most half of the new clip, so that there is something left to draw.
    """
    if len(source.frames) == 1:
        return 0, source.frames
    most = min(len(source.frames), max(1, num_frames // 2))
    count = (most - 1) // frame_step * frame_step + 1
    first = len(source.frames) - count if source.frame == 0 else 0
    return first, source.frames[first : first + count]
