"""How long each frame is shown: in a format's whole units, and of a clip whose frames come at uneven times.

Knows no format.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from statistics import median

GIF_UNITS = 100
"""GIF counts in hundredths of a second."""
MILLISECONDS = 1000
MAX_GIF_FPS = 50
"""Browsers show a GIF frame of less than two hundredths of a second for ten."""
_MAX_DENOMINATOR = 1001
_NEAR_WHOLE = 0.015
_TICK_SECONDS = 0.002
"""Containers round times to a thousandth of a second."""


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


def is_steady(times: Sequence[float], fps: float) -> bool:
    """Whether frames that begin at these seconds, rising, are those of a constant rate: none is half a frame off."""
    return all(abs(time - times[0] - k / fps) < 0.5 / fps for k, time in enumerate(times))


def common_fps(times: Sequence[float]) -> float:
    """The rate that most neighbours of uneven times are apart; a whole number where one is near."""
    fps = 1 / median(later - earlier for earlier, later in itertools.pairwise(times))
    return float(round(fps)) if abs(fps - round(fps)) <= _NEAR_WHOLE * fps else fps


def on_show(times: Sequence[float], fps: float) -> list[int]:
    """Which of frames that begin at these seconds is on show at 0, 1 / fps, 2 / fps ... after the first.

    The last one is shown as long as frames are apart at `fps`.
    """
    count = max(1, round((times[-1] - times[0]) * fps) + 1)
    return [bisect_right(times, times[0] + k / fps + _TICK_SECONDS) - 1 for k in range(count)]
