"""A recipe, loaded networks and pictures to a denoising loop and, at its end, to frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from praxino.families import LoopState
from praxino.families._guider import guider_of
from praxino.families._hunyuan import latents, loop, pictures, text
from praxino.families._hunyuan.settings import HIDDEN_FRAMES, Settings, from_options
from praxino.families._hunyuan.words import template_of
from praxino.families._pixels import to_uint8
from praxino.families._stock import preview as linear
from praxino.families._stock.pictures import resampled
from praxino.recipe import Recipe
from praxino.sampling.noise import NoiseSource

if TYPE_CHECKING:
    from praxino.families._hunyuan.load import Parts


def denoise(
    recipe: Recipe, parts: Parts, given: list[np.ndarray], noise: NoiseSource, state: LoopState | None
) -> Iterator[LoopState]:
    """See `Family.denoise`. Going on from a state, the same start is prepared again."""
    settings = from_options(recipe.options)
    start = prepare(recipe, parts, given, noise)
    plan = loop.Plan(
        sigmas=recipe.sigmas,
        kind=settings.kind,
        guidance=loop.embedded_guidance(recipe.guidance) if settings.embeds_guidance else None,
        phases=recipe.guidance_phases,
        true_guidance=settings.true_guidance,
        guider=guider_of(recipe),
        stg_mode=recipe.stg_mode,
        scheduler=recipe.scheduler,
        num_frames=settings.drawn_frames(recipe.num_frames),
    )
    yield from loop.denoise(parts.transformer, start, plan, noise, state)


@torch.no_grad()
def prepare(recipe: Recipe, parts: Parts, given: list[np.ndarray], noise: NoiseSource) -> loop.Start:
    """Read the words, and what the run begins from: noise, a picture, or a noised clip."""
    settings = from_options(recipe.options)
    shape = latents.shape_of(parts.vae, recipe.width, recipe.height, settings.drawn_frames(recipe.num_frames))
    fresh = noise.draw(shape).to(parts.device)
    first = given[0] if given else None
    if settings.kind == "text":
        picture = shown = None
        begun = fresh if first is None else _noised(recipe, parts, first, fresh)
    else:
        assert first is not None
        shown = first[0]
        picture = _encode(recipe, parts, first[:1])
        begun = loop.begin(fresh, picture, settings.motion)
    return loop.Start(begun, picture, *_read(recipe, parts, settings, shown))


def _noised(recipe: Recipe, parts: Parts, clip: np.ndarray, fresh: torch.Tensor) -> torch.Tensor:
    """A clip, brought to the first of the noise levels that are run."""
    frames = resampled(clip, recipe.num_frames)
    share = recipe.sigmas[0]
    return (1 - share) * _encode(recipe, parts, frames) + share * fresh


def _encode(recipe: Recipe, parts: Parts, frames: np.ndarray) -> torch.Tensor:
    pixels = pictures.prepare(frames, recipe.width, recipe.height)
    return latents.encode(parts.vae, pixels.to(parts.device))


def _read(
    recipe: Recipe, parts: Parts, settings: Settings, shown: np.ndarray | None
) -> tuple[text.Embedded, text.Embedded | None]:
    """The caption with the picture and, where it guides, the negative prompt with a black one."""
    template = template_of(settings, recipe.num_frames)
    words = text.embed(parts, recipe.caption, template, settings, shown)
    if settings.true_guidance == 1:
        return words, None
    black = None if shown is None else np.zeros_like(shown)
    return words, text.embed(parts, recipe.negative_prompt, template, settings, black)


@torch.no_grad()
def decode(recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.decode`."""
    return np.concatenate(list(decode_chunks(recipe, parts, state)))


@torch.no_grad()
def decode_chunks(recipe: Recipe, parts: Parts, state: LoopState) -> Iterator[np.ndarray]:
    """See `DecodesInChunks`: the frames of one tile in time after another."""
    hidden = HIDDEN_FRAMES if from_options(recipe.options).kind == "latent-concat" else 0
    for chunk in latents.decode_chunks(parts.vae, state.tensors["latents"].to(parts.device)):
        yield to_uint8(chunk)[hidden:]
        hidden = 0


@torch.no_grad()
def preview(recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.preview`: the middle latent frame of the clip as it would be with no noise left."""
    if parts.colours is None:
        parts.colours = latents.colours(parts.vae, parts.device)
    clean = state.tensors.get("denoised", state.tensors["latents"])
    return linear.draw(clean[:, :, clean.shape[2] // 2], parts.colours)
