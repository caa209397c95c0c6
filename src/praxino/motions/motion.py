"""The tracks of a figure's joints, and how they are read from JSON.

    {"about": "...", "fps": 16, "loop": true, "frames": [[[x, y], null, ...], ...]}

A frame has COCO's 18 joints in OpenPose's order: nose, neck, right shoulder, elbow, wrist, left shoulder, elbow, wrist,
right hip, knee, ankle, left hip, knee, ankle, right eye, left eye, right ear, left ear. x grows to the viewer's right
and y upwards, in any unit; null is a joint that is not seen.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from praxino.errors import UserError

NUM_JOINTS = 18
MAX_FRAMES = 10_000
Joint = tuple[float, float] | None
Figure = tuple[Joint, ...]


@dataclass(frozen=True)
class Motion:
    """A figure in motion."""

    name: str
    about: str
    fps: float
    loop: bool
    """Whether it goes on from its first frame after its last; else it holds the last one."""
    frames: tuple[Figure, ...]

    @property
    def seconds(self) -> float:
        """How long once through takes."""
        return len(self.frames) / self.fps

    def at(self, seconds: float) -> Figure:
        """The figure at a time: between two frames, joints that both show are on the way from one to the other."""
        place = seconds * self.fps
        count = len(self.frames)
        first = math.floor(place)
        here, there = (index % count if self.loop else min(index, count - 1) for index in (first, first + 1))
        return tuple(_between(a, b, place - first) for a, b in zip(self.frames[here], self.frames[there], strict=True))


def _between(one: Joint, other: Joint, share: float) -> Joint:
    if one is None or other is None:
        return one if share < 0.5 else other
    return one[0] + (other[0] - one[0]) * share, one[1] + (other[1] - one[1]) * share


def parse(text: str, name: str, said: str) -> Motion:
    """Read a motion.

    Args:
        text: JSON.
        name: what it is called.
        said: the file, for messages.

    Raises:
        UserError: it is not JSON, or not written as a motion is.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise UserError(f"{said} is not JSON: {problem}.") from problem
    if not isinstance(data, dict) or not isinstance(data.get("frames"), list):
        raise UserError(
            f'{said} is no motion: it must be an object with "frames", as praxino motions show wave --json.'
        )
    fps, frames = data.get("fps"), data["frames"]
    if not _is_number(fps) or not 1 <= fps <= 240:
        raise UserError(f'{said}: "fps" is {fps!r}; it must be a number from 1 to 240.')
    if not 1 <= len(frames) <= MAX_FRAMES:
        raise UserError(f"{said} has {len(frames)} frames; allowed are 1 to {MAX_FRAMES:,}.")
    figures = tuple(_figure(frame, f"{said}: frame {number}") for number, frame in enumerate(frames))
    if all(joint is None for figure in figures for joint in figure):
        raise UserError(f"{said} shows no joint in any frame.")
    return Motion(name, str(data.get("about", "")), float(fps), data.get("loop") is True, figures)


def read(path: Path) -> Motion:
    """The motion in a JSON file. Raises UserError."""
    try:
        text = path.read_bytes().decode()
    except OSError as problem:
        raise UserError(f"the motion {path} cannot be read: {problem.strerror}.") from problem
    except UnicodeError as problem:
        raise UserError(f"{path} is not UTF-8 text.") from problem
    return parse(text, path.stem, str(path))


def to_json(motion: Motion) -> str:
    """What `parse` reads."""
    told = {"about": motion.about, "fps": motion.fps, "loop": motion.loop, "frames": motion.frames}
    return json.dumps(told, separators=(",", ":"))


def _figure(frame: Any, said: str) -> Figure:
    if not isinstance(frame, list) or len(frame) != NUM_JOINTS:
        raise UserError(f"{said} must be a list of {NUM_JOINTS} joints.")
    return tuple(_joint(joint, said) for joint in frame)


def _joint(joint: Any, said: str) -> Joint:
    if joint is None:
        return None
    if not isinstance(joint, list) or len(joint) != 2 or not all(map(_is_number, joint)):
        raise UserError(f"{said}: a joint is {str(joint)[:60]}; it must be [x, y] or null.")
    return float(joint[0]), float(joint[1])


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
