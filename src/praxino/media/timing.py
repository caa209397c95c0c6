"""How long each frame is shown, in a format's whole units. Knows no format."""

from __future__ import annotations

import itertools
from fractions import Fraction

GIF_UNITS = 100
"""GIF counts in hundredths of a second."""
MILLISECONDS = 1000
MAX_GIF_FPS = 50
"""Browsers show a GIF frame of less than two hundredths of a second for ten."""
_MAX_DENOMINATOR = 1001


def exact_fps(fps: float) -> Fraction:
    """Frames per second as a fraction; 29.97 as broadcast (30000/1001) comes out exactly."""
    return Fraction(fps).limit_denominator(_MAX_DENOMINATOR)


def delays(num_frames: int, fps: float, units: int) -> list[int]:
    """Whole units that each frame lasts; the sum of the first k is k / fps rounded, so no error adds up.

    Args:
        num_frames: how many frames.
        fps: frames per second.
        units: units in a second, as `GIF_UNITS`.
    """
    rate = exact_fps(fps)
    ends = [round(k * units / rate) for k in range(num_frames + 1)]
    return [end - start for start, end in itertools.pairwise(ends)]


def thinned(num_frames: int, fps: float, max_fps: int) -> list[int]:
    """Indices of the frames to keep so that at most `max_fps` are shown in a second; all when there are not more.

    The clip keeps its length: kept frame k is the one on show at the time k / max_fps.
    """
    rate = exact_fps(fps)
    if rate <= max_fps:
        return list(range(num_frames))
    return [int(k * rate / max_fps) for k in range(int(-(-num_frames * max_fps // rate)))]
