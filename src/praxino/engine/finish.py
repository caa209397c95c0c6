"""From the pieces of a sample to the clip in the file: joined, trimmed, beside the clip it extends, with its sound.

Knows no family and no weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from praxino import media
from praxino.engine.drawn import Drawn
from praxino.engine.pieces import clip_of, joined
from praxino.engine.soundtrack import laid_sound
from praxino.media.sound import Sound, in_a_row
from praxino.recipe import Media, Pieces, Recipe


@dataclass(frozen=True, eq=False)
class Source:
    """What a clip is finished with: the clip that it is put beside, and the sound that is kept or laid under it."""

    frames: np.ndarray | None
    """Of the clip that is extended, (F, H, W, 3) uint8."""
    sound: Sound | None


def source_of(recipe: Recipe) -> Source:
    """Read what a recipe's clips are finished with.

    Raises:
        UserError: it is gone, or no longer the same.
    """
    frames = media.load(recipe.extends[0].media) if recipe.extends else None
    if recipe.sound == "laid":
        return Source(frames, laid_sound(recipe))
    keeps = recipe.sound == "kept" or (recipe.sound == "drawn" and recipe.extends)
    return Source(frames, media.read_sound(media.file_of(_kept_from(recipe))) if keeps else None)


def finished(recipe: Recipe, pieces: list[Drawn], source: Source) -> Drawn:
    """The clip and its sound."""
    frames = joined([piece.frames for piece in pieces], recipe.drawn)
    if source.frames is not None:
        height, width = source.frames.shape[1:3]
        frames = media.resized(frames, width, height)
    clip = clip_of(recipe, frames, source.frames)
    return Drawn(clip, _sound(recipe, pieces, source))


def _sound(recipe: Recipe, pieces: list[Drawn], source: Source) -> Sound | None:
    if recipe.sound == "laid":
        return source.sound
    drawn = _drawn_sound(recipe, [piece.sound for piece in pieces if piece.sound is not None])
    if source.sound is None:
        return drawn
    lead = _new_frames(recipe) / recipe.fps if recipe.extends and recipe.drawn.trim == "start" else 0.0
    kept = source.sound.part(-lead, recipe.num_frames / recipe.fps)
    return kept if drawn is None else media.mixed(drawn, kept)


def _drawn_sound(recipe: Recipe, sounds: list[Sound]) -> Sound | None:
    """What the family drew, at its place in the clip."""
    drawn, fps, seconds = recipe.drawn, recipe.fps, recipe.num_frames / recipe.fps
    if len(sounds) < drawn.count:
        return None
    whole = _in_a_row(sounds, drawn, fps)
    backward = drawn.trim == "start"
    if not recipe.extends:
        return whole.part(drawn.span / fps - seconds if backward else 0.0, seconds)
    (extended,), new = recipe.extends, _new_frames(recipe)
    begins = drawn.span - extended.overlap - new if backward else extended.overlap
    return whole.part(begins / fps, new / fps).part(0.0 if backward else -extended.num_frames / fps, seconds)


def _new_frames(recipe: Recipe) -> int:
    return recipe.num_frames - sum(extended.num_frames for extended in recipe.extends)


def _in_a_row(sounds: list[Sound], drawn: Pieces, fps: float) -> Sound:
    """The sound of all pieces, in the order of the clip; overlaps are kept once, of the piece drawn first."""
    own = (drawn.num_frames - drawn.overlap) / fps
    if drawn.backward:
        return in_a_row([*(sound.part(0, own) for sound in sounds[:0:-1]), sounds[0]])
    return in_a_row([sounds[0], *(sound.part(drawn.overlap / fps, own) for sound in sounds[1:])])


def _kept_from(recipe: Recipe) -> Media:
    if recipe.extends:
        return recipe.extends[0].media
    return next(condition.media for condition in recipe.conditions if condition.role == "video")
