"""How long a clip is, and in how many pieces it is drawn. Knows no file and no weights.

The number of frames that is asked for is what the file shows. What is drawn is on the model's grid, never shorter, and
the rest is taken away; a clip longer than the model draws at once is drawn in pieces of equal length, each of which is
given the last frames of the one before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from praxino.errors import UserError
from praxino.families import Grid, Variant
from praxino.recipe import Pieces
from praxino.request import Request

OVERLAP_FRAMES = 17
"""The most frames that a piece is given of the one before, where a model goes on from several."""


@dataclass(frozen=True)
class Length:
    """Frames of the clip in the file, and how they are drawn."""

    num_frames: int
    pieces: Pieces

    @property
    def at_once(self) -> int:
        """Frames that one run of the model draws."""
        return self.pieces.num_frames or self.num_frames


def resolve_length(request: Request, variant: Variant, fps: float, extended: int = 0) -> Length:
    """Decide the number of frames. With `--seconds` that is exactly seconds x fps, rounded to whole frames.

    Args:
        request: the wish.
        variant: what draws.
        fps: frames per second.
        extended: frames of a clip that are kept, and gone on from; what is asked for comes on top of them.

    Raises:
        UserError: the frames are off the variant's grid, or more than it can draw, in pieces or not.
    """
    grid = variant.grid
    overlap = min(overlap_of(variant), below(extended, grid)) if extended else 0
    if request.seconds is None:
        new = _frames(request.frames, variant)
        pieces = Pieces(above(new + overlap, grid) if extended else new)
    else:
        new = max(1, round(request.seconds * fps))
        pieces = Pieces(above(new + overlap, grid))
    if pieces.num_frames > longest(grid):
        pieces = _chain(new + overlap, variant, _too_long(request, variant, fps))
    trim = "start" if request.extend == "backward" else "evenly" if request.last else "end"
    backward = request.extend == "backward" and pieces.count > 1
    if not extended and pieces == Pieces(new):
        return Length(new, Pieces())
    return Length(new + extended, dataclasses.replace(pieces, backward=backward, trim=trim))


def of_clip(request: Request, variant: Variant, num_frames: int, fps: float) -> Request:
    """A request for a clip to be changed: where it says nothing of length, that of the clip is kept, and its rate.

    Of a clip longer than the variant draws at once, that is as much of its beginning.
    """
    if request.frames is not None or request.seconds is not None:
        return request
    new_fps = request.fps or fps
    kept = min(max(1, round(num_frames * new_fps / fps)), longest(variant.grid))
    return dataclasses.replace(request, seconds=kept / new_fps, fps=new_fps)


def shown_frames(drawn: Pieces, num_frames: int) -> list[int]:
    """Which of the frames that are drawn make up a clip of `num_frames`."""
    span = drawn.span
    if drawn.trim == "start":
        return list(range(span - num_frames, span))
    if drawn.trim == "end" or num_frames == 1:
        return list(range(num_frames))
    return [round(index * (span - 1) / (num_frames - 1)) for index in range(num_frames)]


def length_notes(request: Request, length: Length, fps: float) -> list[str]:
    """What the user is told: frames and seconds, and how they are drawn where that is not in one."""
    pieces = length.pieces
    told = f"{length.num_frames} frames at {fps:g} fps: {length.num_frames / fps:.4g} seconds"
    if not pieces.num_frames:
        return [told] if request.seconds is not None else []
    drawn = f"{pieces.num_frames} frames"
    if pieces.count > 1:
        drawn = f"{pieces.count} pieces of {drawn}, each going on from {pieces.overlap} of the one before"
    return [f"{told}; drawn: {drawn}"]


def overlap_of(variant: Variant) -> int:
    """Frames that a piece of a clip is given of the one before, on the variant's grid."""
    if "extend" not in variant.steering:
        return 1
    return below(min(OVERLAP_FRAMES, max(1, longest(variant.grid) // 4)), variant.grid)


def longest(grid: Grid) -> int:
    """The most frames that are drawn at once."""
    return below(grid.max_frames, grid)


def above(num_frames: int, grid: Grid) -> int:
    """The least number on the grid that is not below."""
    return -(-(num_frames - 1) // grid.frame_step) * grid.frame_step + 1


def below(num_frames: int, grid: Grid) -> int:
    """The greatest number on the grid that is not above."""
    return (num_frames - 1) // grid.frame_step * grid.frame_step + 1


def can_go_on(variant: Variant) -> bool:
    """Whether a clip can be drawn that begins with frames which are there."""
    return "extend" in variant.steering or "image-to-video" in variant.tasks


def _chain(wanted: int, variant: Variant, refusal: Callable[[], UserError]) -> Pieces:
    """The fewest pieces that make up the wanted frames, as short as these can be."""
    overlap = overlap_of(variant)
    most = longest(variant.grid.of_task("video-to-video" if overlap > 1 else "image-to-video"))
    if not can_go_on(variant) or most <= overlap:
        raise refusal()
    count = -(-(wanted - overlap) // (most - overlap))
    least = -(-(wanted - overlap) // count) + overlap
    return Pieces(above(least, variant.grid), count, overlap)


def _too_long(request: Request, variant: Variant, fps: float) -> Callable[[], UserError]:
    most = variant.grid.max_frames
    return lambda: UserError(
        f"--seconds {request.seconds:g} at {fps:g} fps is {round((request.seconds or 0) * fps)} frames; {variant.name} "
        f"draws at most {most} ({most / fps:.3g} seconds), and cannot go on from there."
    )


def _draws(variant: Variant) -> str:
    """Which numbers of frames it draws, in words."""
    step, most = variant.grid.frame_step, variant.grid.max_frames
    if most == 1:
        return f"{variant.name} draws pictures"
    if step == 1:
        return f"{variant.name} draws 1 to {most}"
    return f"{variant.name} draws 1, {1 + step}, {1 + 2 * step} and so on up to {longest(variant.grid)}"


def _frames(frames: int | None, variant: Variant) -> int:
    grid = variant.grid
    if frames is None:
        return variant.num_frames
    if frames > grid.max_frames or (frames - 1) % grid.frame_step:
        down = min(below(frames, grid), longest(grid))
        up = down + grid.frame_step
        nearest = f"are {down} and {up}" if up <= grid.max_frames else f"is {down}"
        more = " For a longer clip give --seconds." if frames > grid.max_frames and can_go_on(variant) else ""
        raise UserError(f"--frames is {frames}; {_draws(variant)}; the nearest allowed {nearest}.{more}")
    return frames
