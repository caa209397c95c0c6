"""A clip's file that is encoded while the clip is still being decoded, where its format allows. Draws nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from praxino import media
from praxino.engine import output
from praxino.engine.drawn import Drawn
from praxino.engine.length import shown_frames
from praxino.recipe import Recipe

Put = Callable[[np.ndarray], None]
"""Takes the next frames of a clip, (f, H, W, 3) uint8."""


class EarlyFile:
    """The file of a run. A context manager: what was begun and not saved is removed at its end.

    Args:
        path: the file, or the pattern of several files' names.
        metadata: whether to put the recipe into the files.
    """

    def __init__(self, path: Path, metadata: bool) -> None:
        self._path = path
        self._metadata = metadata
        self._begun: tuple[Recipe, media.StreamedVideo] | None = None

    def __enter__(self) -> EarlyFile:
        return self

    def __exit__(self, *ended: object) -> None:
        self._abandon()

    def begin(self, recipe: Recipe) -> Put | None:
        """Where a recipe's frames go as they are decoded, from the first; None where a file needs all of them at once.

        What was begun before is abandoned: a run that ran out of memory decodes anew.
        """
        self._abandon()
        if not grows(recipe):
            return None
        text = output.recipe_text(recipe) if self._metadata else None
        video = media.StreamedVideo(self._path, recipe.encoding, recipe.fps, text)
        self._begun = recipe, video
        return video.put

    def save(self, clips: Sequence[Drawn], recipe: Recipe) -> list[Path]:
        """Finish what was begun for the recipe, or write its n clips as `save_clips` does. The files."""
        if self._begun is None or self._begun[0] != recipe:
            return output.save_clips(clips, recipe, self._path, metadata=self._metadata)
        self._begun[1].finish()
        self._begun = None
        return [self._path]

    def _abandon(self) -> None:
        if self._begun is not None:
            self._begun[1].abandon()
            self._begun = None


def grows(recipe: Recipe) -> bool:
    """Whether the file shows the frames of one piece, silent, as they come: GIFs and others need all for a palette."""
    encoding, drawn = recipe.encoding, recipe.drawn
    video = encoding.format in media.AUDIBLE and not (encoding.grid or encoding.sheet)
    whole = drawn.count == 1 and len(shown_frames(drawn, recipe.num_frames)) == drawn.span
    return video and whole and recipe.n == 1 and not recipe.extends and recipe.sound == "none"
