"""A recipe, loaded networks and pictures to a denoising loop and, at its end, to frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from praxino.families import LoopState
from praxino.families.ltx_video import conditioning, latents, linear, loop, pictures, positions, text
from praxino.families.ltx_video.settings import Settings, from_options
from praxino.recipe import Recipe
from praxino.sampling.noise import NoiseSource, SeededNoise

if TYPE_CHECKING:
    from praxino.families.ltx_video.load import Parts


def denoise(
    recipe: Recipe, parts: Parts, given: list[np.ndarray], noise: NoiseSource, state: LoopState | None
) -> Iterator[LoopState]:
    """See `Family.denoise`. Going on from a state, the same start is prepared again."""
    start = prepare(recipe, parts, given, noise)
    settings = from_options(recipe.options)
    plan = loop.Plan(
        sigmas=recipe.sigmas,
        phases=recipe.guidance_phases,
        cfg_star=recipe.cfg_star,
        stg_mode=recipe.stg_mode,
        scheduler=recipe.scheduler,
        image_noise=settings.image_noise,
    )
    yield from loop.denoise(parts.transformer, start, plan, noise, state)


@torch.no_grad()
def prepare(recipe: Recipe, parts: Parts, given: list[np.ndarray], noise: NoiseSource) -> loop.Start:
    """Read the words, draw the noise and mix the pictures in."""
    settings = from_options(recipe.options)
    dtype = parts.transformer.dtype

    def embed(words: str) -> text.Embedded:
        return text.embed(parts.text_encoder, parts.tokenizer, words, settings.max_text_tokens, dtype)

    guided = any(phase.scale > 1 for phase in recipe.guidance_phases)
    shape = positions.latent_shape(settings, recipe.width, recipe.height, recipe.num_frames)
    channels = parts.transformer.config.in_channels
    tokens = noise.draw((1, shape[0] * shape[1] * shape[2], channels))
    start_latents = positions.unpack(tokens, shape).to(parts.device)
    held = _encode(recipe, parts, given, settings, noise)
    mixed = conditioning.mix(start_latents, held, settings, noise)
    return loop.Start(
        tokens=mixed.tokens,
        coords=positions.in_seconds(mixed.coords, recipe.fps),
        strengths=mixed.strengths,
        text=embed(recipe.caption),
        negative=embed(recipe.negative_prompt) if guided else None,
    )


def _encode(
    recipe: Recipe, parts: Parts, given: list[np.ndarray], settings: Settings, noise: NoiseSource
) -> list[conditioning.Held]:
    held = []
    for condition, frames in zip(recipe.conditions, given, strict=True):
        conditioning.check_place(condition.frame, len(frames), recipe.num_frames, settings)
        length = conditioning.trimmed_length(len(frames), condition.frame, recipe.num_frames, settings)
        prepared = pictures.prepare(frames[:length], recipe.width, recipe.height, settings.image_preparation)
        encoded = latents.encode(parts.vae, prepared, noise)
        held.append(conditioning.Held(encoded, condition.frame, condition.strength))
    return held


@torch.no_grad()
def decode(recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.decode`. Decoding noise comes from the state's generator."""
    settings = from_options(recipe.options)
    shape = positions.latent_shape(settings, recipe.width, recipe.height, recipe.num_frames)
    noise = SeededNoise(0)
    noise.restore(state.tensors["generator"])
    clean = positions.unpack(state.tensors["latents"].to(parts.device), shape)
    return latents.decode(parts.vae, clean, settings, noise)


DECODED_CELLS = 64
"""Previews of latent frames up to this size are decoded: that takes milliseconds, and a cell a pixel shows nothing."""


@torch.no_grad()
def preview(recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.preview`: the middle latent frame of the clip as it would be with no noise left."""
    settings = from_options(recipe.options)
    shape = positions.latent_shape(settings, recipe.width, recipe.height, recipe.num_frames)
    clean = positions.unpack(state.tensors.get("denoised", state.tensors["latents"]), shape)
    middle = clean[:, :, shape[0] // 2 :][:, :, :1]
    if shape[1] * shape[2] <= DECODED_CELLS:
        return latents.decode(parts.vae, middle.to(parts.device), settings, SeededNoise(0))[0]
    return linear.preview(middle, parts.variant.options.get("preview"))
