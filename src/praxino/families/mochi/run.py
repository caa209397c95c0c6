"""A recipe and loaded networks to a denoising loop and, at its end, to frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from praxino.families import LoopState, _linear
from praxino.families._guider import guider_of
from praxino.families.mochi import latents, loop, text
from praxino.recipe import Recipe
from praxino.sampling.noise import NoiseSource

if TYPE_CHECKING:
    from praxino.families.mochi.load import Parts

DECODED_CELLS = 64
"""Previews of latent frames up to this size are decoded: that takes milliseconds, and a cell a pixel shows nothing."""


def denoise(recipe: Recipe, parts: Parts, noise: NoiseSource, state: LoopState | None) -> Iterator[LoopState]:
    """See `Family.denoise`. Going on from a state, the same start is prepared again."""
    start = prepare(recipe, parts, noise)
    plan = loop.Plan(
        sigmas=recipe.sigmas,
        phases=recipe.guidance_phases,
        guider=guider_of(recipe),
        stg_mode=recipe.stg_mode,
        scheduler=recipe.scheduler,
        dtype=parts.dtype,
    )
    yield from loop.denoise(parts.transformer, start, plan, noise, state)


@torch.no_grad()
def prepare(recipe: Recipe, parts: Parts, noise: NoiseSource) -> loop.Start:
    """Read the words and draw the noise."""
    max_tokens = recipe.options["max_text_tokens"]

    def embed(words: str) -> text.Embedded:
        return text.embed(parts.text_encoder, parts.tokenizer, words, max_tokens, parts.device)

    guided = any(phase.scale > 1 for phase in recipe.guidance_phases)
    shape = latents.latent_shape(recipe.width, recipe.height, recipe.num_frames)
    return loop.Start(
        latents=noise.draw((1, parts.transformer.config.in_channels, *shape)).to(parts.device),
        text=embed(recipe.caption),
        negative=embed(recipe.negative_prompt) if guided else None,
    )


@torch.no_grad()
def decode(recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.decode`."""
    return np.concatenate(list(decode_chunks(recipe, parts, state)))


@torch.no_grad()
def decode_chunks(recipe: Recipe, parts: Parts, state: LoopState) -> Iterator[np.ndarray]:
    """See `DecodesInChunks`: the frames of two latent frames after another."""
    yield from latents.decode_chunks(parts.vae, state.tensors["latents"].to(parts.device), parts.dtype)


@torch.no_grad()
def preview(recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.preview`: the middle latent frame of the clip as it would be with no noise left."""
    clean = state.tensors.get("denoised", state.tensors["latents"])
    middle = clean[:, :, clean.shape[2] // 2 :][:, :, :1]
    if middle[0, 0, 0].numel() <= DECODED_CELLS:
        return latents.decode(parts.vae, middle.to(parts.device), parts.dtype)[0]
    return _linear.preview(middle, None)
