"""A recipe, loaded networks and pictures to a denoising loop and, at its end, to frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from praxino.errors import UserError
from praxino.families import LoopState, _linear
from praxino.families._guider import guider_of
from praxino.families.cogvideox import latents, loop, pictures, positions, text
from praxino.families.cogvideox.plan import first_step, latent_frames
from praxino.families.cogvideox.schedule import Levels, levels, noise_level
from praxino.families.cogvideox.settings import Settings, from_options
from praxino.families.cogvideox.variants import SPATIAL_RATIO, TEMPORAL_RATIO
from praxino.recipe import Recipe
from praxino.sampling.noise import NoiseSource

if TYPE_CHECKING:
    from praxino.families.cogvideox.load import Parts

DECODED_CELLS = 64
"""Previews of latent frames up to this size are decoded: that takes milliseconds, and a cell a pixel shows nothing."""


def denoise(
    recipe: Recipe, parts: Parts, given: list[np.ndarray], noise: NoiseSource, state: LoopState | None
) -> Iterator[LoopState]:
    """See `Family.denoise`. Going on from a state, the same start is prepared again."""
    settings = from_options(recipe.options)
    plan = loop.Plan(
        levels=levels(settings.schedule_steps, settings.shift_scale, settings.levels),
        first_step=first_step(settings, recipe.steps),
        phases=recipe.guidance_phases,
        dynamic=settings.dynamic_guidance,
        guider=guider_of(recipe),
        stg_mode=recipe.stg_mode,
        scheduler=recipe.scheduler,
    )
    start = prepare(recipe, parts, given, noise, plan.levels)
    yield from loop.denoise(parts.transformer, start, plan, noise, state)


@torch.no_grad()
def prepare(recipe: Recipe, parts: Parts, given: list[np.ndarray], noise: NoiseSource, table: Levels) -> loop.Start:
    """Read the words, encode what is given and draw the noise, in the authors' order."""
    settings = from_options(recipe.options)
    frames = latent_frames(recipe.num_frames, settings)
    channels = parts.transformer.config.out_channels
    rows, columns = recipe.height // SPATIAL_RATIO, recipe.width // SPATIAL_RATIO
    words = _embedded(recipe, parts, settings)
    clip = _of_role(recipe, given, "video")
    clean = None if clip is None else _clip(recipe, parts, settings, clip, noise)
    beside = _beside(recipe, parts, settings, given, noise)
    latents_ = noise.draw((1, frames, channels, rows, columns)).to(parts.device)
    if clean is not None:
        alpha = table.alphas[first_step(settings, recipe.steps)]
        latents_ = alpha * clean + noise_level(alpha) * latents_
    rotary = positions.rotary(parts.transformer.config, (frames, rows, columns), parts.device)
    return loop.Start(latents_, *words, beside, rotary)


def _embedded(recipe: Recipe, parts: Parts, settings: Settings) -> tuple[Tensor, Tensor | None]:
    """The prompt and, if a step is guided by it, the negative prompt: zeros where the authors force them."""

    def embed(words: str) -> Tensor:
        states = text.embed(parts.text_encoder, parts.tokenizer, words, settings.max_text_tokens, parts.device)
        return states.to(parts.transformer.dtype)

    own = embed(recipe.caption)
    if not any(phase.scale > 1 for phase in recipe.guidance_phases):
        return own, None
    if settings.zero_negative and recipe.negative_prompt == "":
        return own, torch.zeros_like(own)
    return own, embed(recipe.negative_prompt)


def _of_role(recipe: Recipe, given: list[np.ndarray], role: str) -> np.ndarray | None:
    """The frames of the first condition of a role, or of one of its kinds."""
    for condition, frames in zip(recipe.conditions, given, strict=True):
        if f"{condition.role}:".startswith(f"{role}:"):
            return frames
    return None


def _clip(recipe: Recipe, parts: Parts, settings: Settings, frames: np.ndarray, noise: NoiseSource) -> Tensor:
    """A clip that is changed, as scaled latents; its first latent frame twice where one is dropped again."""
    encoded = (
        latents.encode(parts.vae, _pixels(recipe, frames).to(parts.device), noise) * parts.vae.config.scaling_factor
    )
    missing = latent_frames(recipe.num_frames, settings) - encoded.shape[1]
    return torch.cat((*[encoded[:, :1]] * missing, encoded), dim=1)


def _beside(
    recipe: Recipe, parts: Parts, settings: Settings, given: list[np.ndarray], noise: NoiseSource
) -> Tensor | None:
    """What goes on further channels: the first frame with zeros after it, or a map for every frame."""
    scale = parts.vae.config.scaling_factor
    if settings.beside == "control":
        maps = _of_role(recipe, given, "control")
        if maps is None:
            raise UserError(f"{recipe.variant} draws after a clip: add --control KIND-map=FILE.")
        return latents.encode(parts.vae, _pixels(recipe, maps).to(parts.device), None) * scale
    if settings.beside == "nothing":
        return None
    picture = _of_role(recipe, given, "frame")
    if picture is None:
        raise UserError(f"{recipe.variant} sets a picture in motion: add --image FILE.")
    pixels = pictures.prepare(picture[:1], recipe.width, recipe.height, settings.image_resize)
    encoded = latents.encode(parts.vae, pixels.to(parts.device), noise) * (scale if settings.image_scaled else 1)
    empty = torch.zeros_like(encoded).expand(-1, latent_frames(recipe.num_frames, settings) - 1, -1, -1, -1)
    return torch.cat((encoded, empty), dim=1)


def _pixels(recipe: Recipe, frames: np.ndarray) -> Tensor:
    """As many frames of a clip as are drawn; the last of a shorter one is held."""
    missing = max(recipe.num_frames - len(frames), 0)
    held = np.concatenate((frames[: recipe.num_frames], frames[-1:].repeat(missing, axis=0)))
    return pictures.prepare(held, recipe.width, recipe.height, "bicubic")


@torch.no_grad()
def decode(recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.decode`."""
    return np.concatenate(list(decode_chunks(recipe, parts, state)))


@torch.no_grad()
def decode_chunks(recipe: Recipe, parts: Parts, state: LoopState) -> Iterator[np.ndarray]:
    """See `DecodesInChunks`. A latent frame that was drawn over and above is dropped from the beginning."""
    drawn = state.tensors["latents"].to(parts.device)
    wanted = (recipe.num_frames - 1) // TEMPORAL_RATIO + 1
    yield from latents.decode_chunks(parts.vae, drawn[:, -wanted:])


@torch.no_grad()
def preview(recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.preview`: the middle latent frame of the clip as it would be with no noise left."""
    clean = state.tensors.get("denoised", state.tensors["latents"])
    middle = clean[:, clean.shape[1] // 2 :][:, :1]
    if middle[0, 0, 0].numel() <= DECODED_CELLS:
        return latents.decode(parts.vae, middle.to(parts.device))[0]
    return _linear.preview(middle.transpose(1, 2), None)
