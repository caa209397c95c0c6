"""Owns what the second edition is shown: clips drawn and encoded on the device at each step, never stored.

Must not know the recipe. Encoding a clip takes a third of the operations of a training step on it; nothing is shown
twice, and no pool of latents has to fit in memory. What a step shows is a function of (seed, step) alone.
"""

import dataclasses
import functools
import re

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from numpy.typing import NDArray
from torch import Tensor
from transformers import T5Tokenizer

from praxino.training.atlas import Atlas
from praxino.training.drawing import Stage, to_uint8
from praxino.training.edition import Edition, second
from praxino.training.flow import Denoiser, FlowLoss, FlowTraining, LatentGrid, Teacher
from praxino.training.grammar import LANGUAGES, canonical_subject, draw_caption
from praxino.training.lexicon import called
from praxino.training.loop import fast_precision
from praxino.training.sample import encode_tokens
from praxino.training.second_words import COUNTS, SIZES, TEMPLATES
from praxino.training.sprites import other_sprites
from praxino.training.text import TokenBatch, build_tokenizer, tokenize
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
        atlas = Atlas.draw(self.anything.things, device)
        self.named = Atlas(atlas.names[: len(edition.things)], atlas.tiles[: len(edition.things)])
        """The things of the edition alone."""
        self.stage = Stage(edition, atlas, grid.width * grid.pixels, grid.height * grid.pixels)

    def draw(self, count: int, rng: np.random.Generator, *, with_others: bool) -> tuple[list[Wish], Tensor]:
        """Wishes that are not held out, and their frames (B, F, 3, H, W) in 0..255."""
        wishes = training_wishes(self.anything if with_others else self.edition, count, rng)
        return wishes, self.stage.draw(wishes, rng)

    def stored(self, count: int, seed: int, *, batch: int = 32) -> NDArray[np.uint8]:
        """`count` clips (N, F, H, W, 3), half of them of anything."""
        rng = np.random.default_rng(seed)
        sizes = [min(batch, count - first) for first in range(0, count, batch)]
        drawn = [to_uint8(self.draw(size, rng, with_others=i % 2 == 1)[1]) for i, size in enumerate(sizes)]
        return np.concatenate(drawn)


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


class LiveFlow(FlowLoss):
    """Flow matching on clips drawn as they are needed."""

    def __init__(
        self,
        denoiser: Denoiser,
        vae: AutoencoderKLLTXVideo,
        clips: Clips,
        grid: LatentGrid,
        training: FlowTraining,
        teacher: Teacher | None = None,
    ) -> None:
        self.tokenizer = tokenizer()
        super().__init__(denoiser, tokenize(self.tokenizer, [""]), grid, training, teacher)
        self.vae = vae
        self.clips = clips

    def material(self, step: int, has_image: bool, rng: np.random.Generator) -> tuple[TokenBatch, Tensor, Tensor]:
        """Draw, caption and encode; with a picture given, of anything that the font holds."""
        wishes, frames = self.clips.draw(self.training.batch, rng, with_others=has_image)
        text = tokenize(self.tokenizer, [self.caption(wish, has_image, rng) for wish in wishes])
        video = frames.transpose(1, 2) / 127.5 - 1
        with torch.no_grad(), fast_precision(self.device):
            return text, encode_tokens(self.vae, video), encode_tokens(self.vae, video[:, :, -1:])

    def caption(self, wish: Wish, has_image: bool, rng: np.random.Generator) -> str:
        """Words for a wish; a thing without a name is described by its motion."""
        chance = rng.random()
        if any(thing not in self.clips.edition.things for thing in wish.things):
            return wish.motion
        if has_image and chance < SUBJECT_TOO:
            return wish.motion if chance < MOTION_ALONE else f"{canonical_subject(wish)} {wish.motion}"
        return draw_caption(wish, rng)
