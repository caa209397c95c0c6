"""Owns the judging of clips: which thing, which motion, which ground a clip shows, from its frames alone.

Must not know how the clips were made, nor torch. The sprite font is the oracle. Frames are (F, S, S, 3) uint8.
- Ground: the nearest taught colour to the median of the border.
- Motion: the first frame's own thing is cut out and moved along each motion (place, angle and scale); the motion whose
  frames differ least from the clip wins. A picture that stands still is a candidate too, so that it cannot pass.
- Thing: every taught sprite is drawn along the judged motion on the judged ground; least difference wins.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from praxino.training.dataset import ClipRow, Combination, split
from praxino.training.motions import GROUNDS, MOTIONS, Placement, Pose, plain_ground, render_frame
from praxino.training.sprites import named_sprites

Frames = NDArray[np.uint8]

STILL = "standing still"
VISIBLE_DIFFERENCE = 40.0
"""How far a pixel must be from the ground's colour, in 0..255 of its most different channel, to belong to the thing."""
SIZE_STEPS = (0.92, 1.0, 1.08)
OFFSET_STEPS = (-0.03, 0.0, 0.03)


@dataclass(frozen=True)
class Verdict:
    """What a clip shows; `rank` is the asked thing's place among all things, 0 the best."""

    thing: str
    motion: str
    ground: str
    rank: int | None = None


@dataclass(frozen=True)
class Cutout:
    """A thing cut from a frame: premultiplied RGBA (S, S, 4), and where it was and how large, in widths."""

    pixels: NDArray[np.uint8]
    x: float
    y: float
    size: float


def judge_ground(frames: Frames) -> str:
    """The taught colour nearest to the median of the border pixels of all frames."""
    colour = ground_colour(frames)
    return min(GROUNDS, key=lambda name: float(np.abs(colour - np.array(GROUNDS[name])).sum()))


def ground_colour(frames: Frames) -> NDArray[np.float64]:
    """Median colour (3,) of the border pixels."""
    border = [frames[:, :2], frames[:, -2:], frames[:, :, :2].swapaxes(1, 2), frames[:, :, -2:].swapaxes(1, 2)]
    return np.median(np.concatenate([edge.reshape(-1, 3) for edge in border]), axis=0)


def cut_out(frame: Frames, colour: NDArray[np.float64]) -> Cutout | None:
    """Cut what differs from `colour` out of one frame (S, S, 3), centred; None where nothing does."""
    size_px = frame.shape[0]
    away = np.abs(frame - colour).max(-1)
    rows, columns = (np.flatnonzero((away > VISIBLE_DIFFERENCE).sum(axis) > 1) for axis in (1, 0))
    if len(rows) < 3 or len(columns) < 3:
        return None
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    x, y = (left + right) / 2 / size_px - 0.5, (top + bottom) / 2 / size_px - 0.5
    alpha = np.clip((away - 8) / VISIBLE_DIFFERENCE, 0, 1)[..., None]
    inside = np.zeros_like(alpha)
    inside[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1] = 1
    alpha = alpha * inside
    rgba = np.concatenate([frame * alpha, 255 * alpha], -1).round().astype(np.uint8)
    shift = (-round(y * size_px), -round(x * size_px))
    centred = np.roll(rgba, shift, axis=(0, 1))
    return Cutout(centred, x, y, max(bottom - top, right - left) / size_px)


def judge_motion(frames: Frames, motions: Sequence[str] = tuple(MOTIONS)) -> str:
    """The motion that best predicts the later frames from the first, or STILL."""
    colour = ground_colour(frames)
    thing = cut_out(frames[0], colour)
    if thing is None:
        return STILL
    errors = {name: _motion_error(frames, thing, colour, name) for name in motions}
    errors[STILL] = float(np.mean((frames[1:].astype(np.float32) - frames[0]) ** 2))
    return min(errors, key=errors.__getitem__)


def _motion_error(frames: Frames, thing: Cutout, colour: NDArray[np.float64], motion: str) -> float:
    ground = plain_ground(tuple(colour), frames.shape[1])
    start = MOTIONS[motion](0.0)
    total = 0.0
    for number in range(1, len(frames)):
        pose = _since(start, MOTIONS[motion](number / (len(frames) - 1)))
        drawn = render_frame(thing.pixels, pose, ground, Placement(1.0, thing.x, thing.y))
        total += float(np.mean((frames[number].astype(np.float32) - drawn) ** 2))
    return total / (len(frames) - 1)


def _since(start: Pose, pose: Pose) -> Pose:
    return Pose(
        pose.x - start.x,
        pose.y - start.y,
        pose.angle - start.angle,
        pose.scale_x / start.scale_x,
        pose.scale_y / start.scale_y,
    )


def rank_things(frames: Frames, motion: str, ground: str) -> list[str]:
    """All taught things, the likeliest first."""
    thing = cut_out(frames[0], ground_colour(frames))
    if thing is None:
        return [sprite.name for sprite in named_sprites()]
    backdrop = plain_ground(GROUNDS[ground], frames.shape[1])
    path = MOTIONS.get(motion, lambda t: Pose())
    start = path(0.0)
    errors = {}
    for sprite in named_sprites():
        place = _best_placement(sprite.pixels, frames[0], thing, start, backdrop)
        errors[sprite.name] = sum(
            _difference(render_frame(sprite.pixels, path(i / (len(frames) - 1)), backdrop, place), frame)
            for i, frame in enumerate(frames)
        )
    return sorted(errors, key=errors.__getitem__)


def _best_placement(
    sprite: NDArray[np.uint8], frame: Frames, thing: Cutout, start: Pose, backdrop: NDArray[np.float32]
) -> Placement:
    size = thing.size / max(start.scale_x, start.scale_y)
    candidates = [
        Placement(size * grow, thing.x - start.x + dx, thing.y - start.y + dy)
        for grow in SIZE_STEPS
        for dx in OFFSET_STEPS
        for dy in OFFSET_STEPS
    ]
    return min(candidates, key=lambda place: _difference(render_frame(sprite, start, backdrop, place), frame))


def _difference(a: Frames, b: Frames) -> float:
    return float(np.mean((a.astype(np.float32) - b) ** 2))


def judge(frames: Frames, asked_thing: str | None = None) -> Verdict:
    """Tell what a clip shows."""
    ground = judge_ground(frames)
    motion = judge_motion(frames)
    ranking = rank_things(frames, motion, ground)
    return Verdict(ranking[0], motion, ground, None if asked_thing is None else ranking.index(asked_thing))


@dataclass(frozen=True)
class Score:
    """Shares of right answers, 0 to 1; `by_name` holds them for each thing, motion and ground asked for."""

    count: int
    thing: float
    motion: float
    ground: float
    all_three: float
    by_name: dict[str, float]


def score(clips: Iterable[Frames], asked: Sequence[Combination]) -> Score:
    """Judge each clip against what was asked of it."""
    marks = []
    for frames, want in zip(clips, asked, strict=True):
        verdict = judge(frames, want.thing)
        marks.append((verdict.thing == want.thing, verdict.motion == want.motion, verdict.ground == want.ground))
    right = np.array(marks, float).reshape(-1, 3)
    by_name: dict[str, float] = {}
    for part, field in enumerate(("thing", "motion", "ground")):
        names = [getattr(want, field) for want in asked]
        for name in dict.fromkeys(names):
            by_name[name] = float(right[[n == name for n in names], part].mean())
    thing, motion, ground = (float(value) for value in right.mean(0))
    return Score(len(right), thing, motion, ground, float(right.all(1).mean()), by_name)


def self_test(count: int = 48, seed: int = 0) -> tuple[Score, Score]:
    """Judge clips drawn from the font: first against what they show, then against shuffled wishes."""
    rng = np.random.default_rng(seed)
    row = ClipRow(seed=seed, other_share=0.0)
    chosen = [split()[0][i] for i in rng.choice(len(split()[0]), count, replace=False)]
    clips = [row.named(combination, rng).frames for combination in chosen]
    shuffled = [chosen[i] for i in rng.permutation(count)]
    return score(clips, chosen), score(clips, shuffled)
