"""Owns what the second edition is shown: clips drawn and encoded on the device at each step, never stored.

Must not know the recipe. Drawing and encoding a clip take a tenth of the time of a training step on it; nothing is
shown twice, and no pool of latents has to fit in memory. What a step shows is a function of (seed, step) alone.
"""

import dataclasses
import functools
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import T5Tokenizer

from praxino.training.affine import AffineEncoder
from praxino.training.atlas import Atlas
from praxino.training.drawing import Stage, to_uint8
from praxino.training.edition import Edition, second
from praxino.training.flow import Denoiser, FlowLoss, FlowTraining, LatentGrid, Shown, Teacher
from praxino.training.grammar import LANGUAGES, canonical_subject, draw_caption
from praxino.training.lexicon import called
from praxino.training.second_words import COUNTS, SIZES, TEMPLATES
from praxino.training.sprites import other_sprites
from praxino.training.text import build_tokenizer, tokenize
from praxino.training.wishes import Wish, training_wishes

MOTION_ALONE, SUBJECT_TOO = 0.5, 0.8
"""With a picture given, shares of captions that name the motion alone, and that or the subject with it."""


class Clips:
    """Draws clips of an edition, and of every other emoji for which it has no name."""

    def __init__(self, edition: Edition, grid: LatentGrid, device: torch.device) -> None:
        others = {sprite.name: sprite.character for sprite in other_sprites()}
        taught = set(edition.things.values())
        nameless = {name: c for name, c in others.items() if c not in taught and name not in edition.things}
        self.edition = edition
        self.anything = dataclasses.replace(edition, things={**edition.things, **nameless})
        self.grid = grid
        self._atlas = Atlas.draw(self.anything.things, device)
        self.named = Atlas(self._atlas.names[: len(edition.things)], self._atlas.tiles[: len(edition.things)])
        """The things of the edition alone."""
        self._stages: dict[tuple[int, int], Stage] = {}
        self.stage = self.stage_for(grid)

    def stage_for(self, grid: LatentGrid) -> Stage:
        """Where clips of that grid's size are drawn."""
        size = grid.width * grid.pixels, grid.height * grid.pixels
        if size not in self._stages:
            self._stages[size] = Stage(self.edition, self._atlas, *size)
        return self._stages[size]

    def draw(self, count: int, rng: np.random.Generator, *, with_others: bool) -> tuple[list[Wish], Tensor]:
        """Wishes that are not held out, and their frames (B, F, 3, H, W) in 0..255, at the usual size."""
        wishes = self.wishes(count, rng, with_others)
        return wishes, self.stage.draw(wishes, rng)

    def wishes(self, count: int, rng: np.random.Generator, with_others: bool) -> list[Wish]:
        """Wishes that are not held out; `with_others` for anything that the font holds."""
        return training_wishes(self.anything if with_others else self.edition, count, rng)

    def stored(self, count: int, seed: int, *, batch: int = 32) -> NDArray[np.uint8]:
        """`count` clips (N, F, H, W, 3), half of them of anything."""
        out = np.empty(self._shape(count), np.uint8)
        self._fill(out, seed, batch)
        return out

    def mapped(self, count: int, seed: int, path: Path, *, batch: int = 32) -> NDArray[np.uint8]:
        """The same, drawn once into the file `path` and mapped from there."""
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".part.npy")
            store = np.lib.format.open_memmap(partial, "w+", np.uint8, self._shape(count))
            self._fill(store, seed, batch)
            store.flush()
            partial.rename(path)
        return np.load(path, mmap_mode="r")

    def _shape(self, count: int) -> tuple[int, ...]:
        return count, self.edition.num_frames, self.stage.height, self.stage.width, 3

    def _fill(self, out: NDArray[np.uint8], seed: int, batch: int) -> None:
        rng = np.random.default_rng(seed)
        for number, first in enumerate(range(0, len(out), batch)):
            part = out[first : first + batch]
            part[:] = to_uint8(self.draw(len(part), rng, with_others=number % 2 == 1)[1])


def tokenizer() -> T5Tokenizer:
    """Keeps whole every word that an English or Chinese caption of the second edition holds."""
    return build_tokenizer(taught_words())


@functools.cache
def taught_words() -> tuple[str, ...]:
    """Those words, sorted."""
    edition = second()
    names = {
        "things": tuple(edition.things), "motions": edition.motions, "grounds": edition.grounds,
        "counts": tuple(COUNTS), "sizes": tuple(SIZES),
    }  # fmt: skip
    phrases = ["an and ,", *(re.sub(r"\{\w+\}|[,:]", " ", text) for text in TEMPLATES["en"])]
    for kind, table in names.items():
        for name in table:
            phrases += [name, *called(kind, name, LANGUAGES[0]), *called(kind, name, LANGUAGES[1])]
    return tuple(sorted({word for phrase in phrases for word in phrase.split()}))


@dataclass(frozen=True)
class Showing:
    """What steps show."""

    is_still: bool
    """Whether first frames alone."""
    other_sizes: float
    """Share of steps that are not at the usual size; their batches hold about as many tokens."""


class LiveFlow(FlowLoss):
    """Flow matching on clips drawn as they are needed."""

    def __init__(
        self,
        denoiser: Denoiser,
        encode: AffineEncoder,
        clips: Clips,
        training: FlowTraining,
        showing: Showing,
        teacher: Teacher | None = None,
    ) -> None:
        self.tokenizer = tokenizer()
        super().__init__(denoiser, tokenize(self.tokenizer, [""]), training, teacher)
        self.encode = encode
        self.clips = clips
        self.showing = showing

    def material(self, step: int, has_image: bool, rng: np.random.Generator) -> Shown:
        """Draw, caption and encode; with a picture given, of anything that the font holds."""
        grid = self._grid(rng)
        count = max(1, round(self.training.batch * self.clips.grid.cells / grid.cells))
        wishes = self.clips.wishes(count, rng, with_others=has_image)
        frames = self.clips.stage_for(grid).draw(wishes, rng, is_still=self.showing.is_still)
        text = tokenize(self.tokenizer, [self.caption(wish, has_image, rng) for wish in wishes])
        video = frames.transpose(1, 2) / 127.5 - 1
        return Shown(text, self.encode(video), self.encode(video[:, :, -1:]), grid)

    def _grid(self, rng: np.random.Generator) -> LatentGrid:
        """The grid of a step's clips."""
        usual, sizes = self.clips.grid, self.clips.edition.frame_sizes[1:]
        grid = dataclasses.replace(usual, frames=1) if self.showing.is_still else usual
        if rng.random() >= self.showing.other_sizes:
            return grid
        width, height = sizes[rng.integers(len(sizes))]
        return dataclasses.replace(grid, width=width // grid.pixels, height=height // grid.pixels)

    def caption(self, wish: Wish, has_image: bool, rng: np.random.Generator) -> str:
        """Words for a wish; a thing without a name is described by its motion."""
        chance = rng.random()
        if any(thing not in self.clips.edition.things for thing in wish.things):
            return wish.motion
        if has_image and chance < SUBJECT_TOO:
            return wish.motion if chance < MOTION_ALONE else f"{canonical_subject(wish)} {wish.motion}"
        return draw_caption(wish, rng)
