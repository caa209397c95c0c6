"""Clips that are changed or followed, frame by frame of the new one. Knows no family and no file.

One rule for all: each new frame is given what the clip shows at its time. What lies beyond the new clip is left out;
where the clip ends early, its last frame is held.
"""

from __future__ import annotations

import dataclasses

from praxino.engine.conditions import Source

_ON_TIME = 1e-6
"""Of a frame: what rounding may take from a time that is a whole number of frames."""
_SAME_FPS = 0.01
_SPREAD = ("control:scribble", "annotate:scribble")
"""Roles of which a few frames are spread over the new clip, however many it has."""


def places_in(count: int, fps: float, new_fps: float, num_frames: int) -> tuple[int, ...]:
    """Which of the `count` frames of a clip are shown at the times of `num_frames` new ones."""
    return tuple(min(int(index * fps / new_fps + _ON_TIME), count - 1) for index in range(num_frames))


def in_time(sources: list[Source], fps: float, num_drawn: int, num_shown: int) -> tuple[list[Source], list[str]]:
    """The sources, clips of them as long as what is drawn; and what to tell of it.

    Args:
        sources: what was read; pictures stay as they are.
        fps: frames per second of the new clip.
        num_drawn: frames that are drawn, those included that are trimmed away.
        num_shown: frames of the new clip in the file.
    """
    timed = [_timed(source, fps, num_drawn) if _runs_along(source) else source for source in sources]
    notes = (_note(source, fps, num_shown) for source in sources if _runs_along(source) and source.role != "mask")
    return timed, [note for note in notes if note]


def _runs_along(source: Source) -> bool:
    kinds = ("video", "mask", "control", "annotate")
    return len(source.frames) > 1 and source.role.partition(":")[0] in kinds and source.role not in _SPREAD


def _timed(source: Source, fps: float, num_frames: int) -> Source:
    places = places_in(len(source.frames), source.fps, fps, num_frames)
    return dataclasses.replace(source, frames=source.frames[list(places)], places=places)


def _note(source: Source, fps: float, num_frames: int) -> str:
    """What of a clip is taken, where that is not each of its frames in turn."""
    said = []
    if abs(source.fps - fps) >= _SAME_FPS:
        said.append(f"taken at {fps:g} frames per second instead of {source.fps:g}")
    has, needs = len(source.frames) / source.fps, num_frames / fps
    if has - needs > 1 / source.fps - _ON_TIME:
        said.append(f"the first {needs:.3g} of its {has:.3g} seconds")
    elif needs - has > 1 / fps - _ON_TIME:
        said.append(f"its last frame is held after {has:.3g} seconds")
    return f"{source.name}: {', '.join(said)}" if said else ""
