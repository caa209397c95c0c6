"""Owns the choice of a caption for labelled clips, as tokens: what the flow objective is given to read.

Must not know pictures or the transformer.
"""

import numpy as np
from numpy.typing import NDArray

from praxino.training.captions import draw_caption, image_caption, taught_words
from praxino.training.motions import GROUNDS, MOTIONS
from praxino.training.sprites import THINGS
from praxino.training.text import TokenBatch, build_tokenizer, tokenize


class CaptionSource:
    """Captions as tokens for rows of labels (thing, motion, ground); with an image, its motion, perhaps its thing."""

    def __init__(self) -> None:
        self._tokenizer = build_tokenizer(taught_words())
        self.null = tokenize(self._tokenizer, [""])

    def __call__(self, labels: NDArray[np.int16], has_image: bool, rng: np.random.Generator) -> TokenBatch:
        """Choose and tokenize a caption for each row."""
        rows: list[tuple[int, int, int]] = labels.tolist()
        return tokenize(self._tokenizer, [self.words(*row, has_image, rng) for row in rows])

    def words(self, thing: int, motion: int, ground: int, has_image: bool, rng: np.random.Generator) -> str:
        """One caption; a thing without a name (-1) is described by its motion alone."""
        movement = list(MOTIONS)[motion]
        if thing < 0:
            return image_caption(movement)
        name, colour = list(THINGS)[thing], list(GROUNDS)[ground]
        chance = rng.random()
        if has_image and chance < 0.8:
            return image_caption(movement, name if chance < 0.6 else None)
        return draw_caption(name, movement, colour, rng)
