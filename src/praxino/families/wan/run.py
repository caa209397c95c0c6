"""A recipe, loaded networks and pictures to a denoising loop and, at its end, to frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from praxino.families import LoopState
from praxino.families._guider import guider_of
from praxino.families._stock import preview as linear
from praxino.families.wan import conditioning, latents, loop, pictures, text
from praxino.families.wan.settings import from_options
from praxino.recipe import Recipe
from praxino.sampling.noise import NoiseSource

if TYPE_CHECKING:
    from praxino.families.wan.load import Parts


def denoise(
    recipe: Recipe, parts: Parts, given: list[np.ndarray], noise: NoiseSource, state: LoopState | None
) -> Iterator[LoopState]:
    """See `Family.denoise`. Going on from a state, the same start is prepared again."""
    start = prepare(recipe, parts, given, noise)
    yield from loop.denoise(parts.transformers, start, plan_of(recipe), noise, state)


def plan_of(recipe: Recipe) -> loop.Plan:
    """The numbers of a recipe that the loop counts with."""
    settings = from_options(recipe.options)
    return loop.Plan(
        sigmas=recipe.sigmas,
        phases=recipe.guidance_phases,
        scheduler=recipe.scheduler,
        guider=guider_of(recipe),
        stg_mode=recipe.stg_mode,
        boundary=settings.boundary,
    )


def begins_with_clip(recipe: Recipe) -> bool:
    """Whether the run goes out from a noised clip; one with a mask over it is drawn from noise alone."""
    roles = {condition.role for condition in recipe.conditions}
    return "video" in roles and "mask" not in roles


@torch.no_grad()
def prepare(recipe: Recipe, parts: Parts, given: list[np.ndarray], noise: NoiseSource) -> loop.Start:
    """Draw the noise, read the words, and put the pictures where they belong."""
    pairs = conditioning.Given(recipe, tuple(zip(recipe.conditions, given, strict=True)))
    prepared = conditioning.prepare(parts, pairs)
    frames = latents.num_latent_frames(recipe.num_frames) + prepared.num_references
    ratio = parts.vae.config.scale_factor_spatial
    shape = (1, parts.vae.config.z_dim, frames, recipe.height // ratio, recipe.width // ratio)
    drawn = noise.draw(shape).to(parts.device)
    if begins_with_clip(recipe):
        drawn = _noised(recipe, parts, pairs.of("video")[0][1], drawn)
    guided = any(phase.scale > 1 for phase in recipe.guidance_phases)
    return loop.Start(
        latents=drawn,
        text=text.embed(parts, recipe.caption),
        negative=text.embed(parts, recipe.negative_prompt) if guided else None,
        channels=prepared.channels,
        held=prepared.held,
        inputs=prepared.inputs,
    )


def _noised(recipe: Recipe, parts: Parts, clip: np.ndarray, drawn: Tensor) -> Tensor:
    """A clip with so much of the noise as the first level of the run has; references before it stay noise."""
    pixels = pictures.clip_covering(conditioning.fill(clip, recipe.num_frames), recipe.width, recipe.height)
    encoded = latents.encode(parts.vae, pixels).to(drawn)
    before, over = drawn.split((drawn.shape[2] - encoded.shape[2], encoded.shape[2]), dim=2)
    level = recipe.sigmas[0]
    return torch.cat((before, (1 - level) * encoded + level * over), dim=2)


def decode(recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.decode`."""
    return np.concatenate(list(decode_chunks(recipe, parts, state)))


@torch.no_grad()
def decode_chunks(recipe: Recipe, parts: Parts, state: LoopState) -> Iterator[np.ndarray]:
    """See `Family.decode`: the frames of one latent frame after another."""
    yield from latents.decode_chunks(parts.vae, _of_the_clip(recipe, state.tensors["latents"]))


@torch.no_grad()
def preview(recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.preview`: the middle latent frame as it would be with no noise left."""
    clean = _of_the_clip(recipe, state.tensors.get("denoised", state.tensors["latents"]))
    if parts.colours is None:
        parts.colours = linear.fit(
            lambda pixels: _encoded_pictures(parts, pixels), parts.vae.config.scale_factor_spatial
        )
    return linear.draw(clean[:, :, clean.shape[2] // 2], parts.colours)


def _of_the_clip(recipe: Recipe, tensor: Tensor) -> Tensor:
    """Latents without the references before them."""
    return tensor[:, :, -latents.num_latent_frames(recipe.num_frames) :]


def _encoded_pictures(parts: Parts, pixels: Tensor) -> Tensor:
    """Pictures (N, 3, H, W), each a clip of one frame, as latents (N, C, h, w)."""
    return torch.cat([latents.encode(parts.vae, picture[None]) for picture in pixels])[:, :, 0]
