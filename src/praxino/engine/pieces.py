"""A recipe whose clip is drawn in pieces: the recipe of each, what it is given, and how their frames become one clip.

Pure: knows no weights, no files and no family.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from praxino.engine.length import Length, shown_frames
from praxino.errors import UserError
from praxino.families import Sampling
from praxino.recipe import Condition, Media, Pieces, Recipe

_SEED_STEP = 1_000_003
"""Between the seeds of neighbouring pieces, so that none has the noise of the one before, nor of the next sample."""
_BRIDGE = Media("the piece before", "", "")
_WHOLE = ("frame", "image", "reference")
"""Roles of which every piece is given all; of a clip in another role, its own part."""


def later_task(pieces: Pieces) -> str:
    """The task of every piece but the first."""
    return "video-to-video" if pieces.overlap > 1 else "image-to-video"


def check_chain(length: Length, sampling: Sampling, plan: Callable[[str], Sampling], task: str) -> None:
    """Refuse pieces that cannot all be drawn by one plan.

    Args:
        length: in how many pieces.
        sampling: the plan of the first.
        plan: the plan for another task.
        task: that of the first.

    Raises:
        UserError: going on from frames is planned otherwise than the first piece, or not possible.
    """
    later = later_task(length.pieces)
    if length.pieces.count == 1 or later == task:
        return
    if dataclasses.replace(plan(later), notes=()) != dataclasses.replace(sampling, notes=()):
        raise UserError(
            f"a clip of {length.num_frames} frames is drawn in {length.pieces.count} pieces, and this model does "
            f"{task} and {later} each in its own way; begin with a picture (--image FILE), or ask for less."
        )


def start_of(drawn: Pieces, index: int) -> int:
    """The first frame, of all that are drawn, of piece `index`, counted in the order in which they are drawn."""
    stride = drawn.num_frames - drawn.overlap
    return (drawn.count - 1 - index if drawn.backward else index) * stride


def recipe_of(recipe: Recipe, index: int) -> Recipe:
    """The recipe of one piece, as a family runs it. The seed stays that of sample 0."""
    drawn = recipe.drawn
    start = start_of(drawn, index)
    conditions = [_moved(recipe.conditions[number], start) for number in _given(recipe, index)]
    if index:
        frame = drawn.num_frames - drawn.overlap if drawn.backward else 0
        conditions.insert(_place(recipe, index), Condition(frame, 1.0, _BRIDGE))
    return dataclasses.replace(
        recipe,
        num_frames=drawn.num_frames,
        task=later_task(drawn) if index else recipe.task,
        conditions=tuple(conditions),
        pieces=Pieces(),
        extends=(),
        seed=recipe.seed + index * _SEED_STEP,
    )


def pictures_of(recipe: Recipe, index: int, pictures: list[np.ndarray], before: np.ndarray | None) -> list[np.ndarray]:
    """What the conditions of `recipe_of(recipe, index)` show.

    Args:
        recipe: the whole.
        index: the piece.
        pictures: of the conditions of the whole, each (F, H, W, 3) uint8.
        before: the frames of the piece drawn last, (num_frames, H, W, 3); None for the first piece.
    """
    drawn = recipe.drawn
    given = []
    for number in _given(recipe, index):
        whole = recipe.conditions[number].role in _WHOLE
        given.append(pictures[number] if whole else _part(pictures[number], drawn, index))
    if before is not None:
        bridge = before[: drawn.overlap] if drawn.backward else before[-drawn.overlap :]
        given.insert(_place(recipe, index), bridge)
    return given


def _given(recipe: Recipe, index: int) -> list[int]:
    """Which conditions of the whole a piece has."""
    drawn = recipe.drawn
    return [n for n, c in enumerate(recipe.conditions) if c.role != "frame" or _is_in(c, drawn, index)]


def _place(recipe: Recipe, index: int) -> int:
    """Where, among the conditions of a piece, what it has of the piece before stands: frames first, in their order."""
    if not recipe.drawn.backward:
        return 0
    return sum(recipe.conditions[number].role == "frame" for number in _given(recipe, index))


def _moved(condition: Condition, start: int) -> Condition:
    return dataclasses.replace(condition, frame=condition.frame - start) if condition.role == "frame" else condition


def _is_in(condition: Condition, drawn: Pieces, index: int) -> bool:
    """Whether a frame is one that the piece draws anew: those of an overlap are the other piece's."""
    start = start_of(drawn, index)
    first, last = start, start + drawn.num_frames
    if index and drawn.backward:
        last -= drawn.overlap
    elif index:
        first += drawn.overlap
    return first <= condition.frame < last


def _part(picture: np.ndarray, drawn: Pieces, index: int) -> np.ndarray:
    """The frames of a clip that belong to a piece; its last one is held where it is too short."""
    if drawn.count == 1 or len(picture) == 1:
        return picture
    start = min(start_of(drawn, index), len(picture) - 1)
    return picture[start : start + drawn.num_frames]


def joined(pieces: list[np.ndarray], drawn: Pieces) -> np.ndarray:
    """The frames of all pieces, in the order in which they were drawn, as one clip; overlaps are kept once."""
    if drawn.backward:
        parts = [*(piece[: -drawn.overlap] for piece in pieces[:0:-1]), pieces[0]]
    else:
        parts = [pieces[0], *(piece[drawn.overlap :] for piece in pieces[1:])]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def clip_of(recipe: Recipe, frames: np.ndarray, extended: np.ndarray | None) -> np.ndarray:
    """What the file shows of all frames that were drawn: trimmed, and beside the clip that they extend.

    Args:
        recipe: the whole.
        frames: what was drawn, (drawn.span, H, W, 3) uint8.
        extended: the clip that is extended, at its own size; None without one.
    """
    drawn = recipe.drawn
    if extended is None:
        shown = shown_frames(drawn, recipe.num_frames)
        return frames if len(shown) == len(frames) else frames[shown]
    (source,) = recipe.extends
    backward = drawn.trim == "start"
    new = frames[: -source.overlap] if backward else frames[source.overlap :]
    count = recipe.num_frames - source.num_frames
    new = (
        new[-count:] if backward else new[shown_frames(dataclasses.replace(drawn, num_frames=len(new), count=1), count)]
    )
    return np.concatenate([new, extended] if backward else [extended, new])
