"""A recipe, loaded networks and pictures to a denoising loop and, at its end, to frames.

How a picture is set in motion, which the original never offered: its latents, as they are in every frame, are noised
and the last 85 % of the noise levels are run, so that every frame begins with the picture's layout and colours; and the
first frame is held to the picture at each level (for a share of the steps, `strength`), so that the temporal layers
draw the others from it. A clip that is changed is only noised, by its strength.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from praxino.families import LoopState
from praxino.families._pixels import from_uint8
from praxino.families._stock import annotate
from praxino.families.hotshot_xl import latents, loop, pictures, sampling, text
from praxino.families.hotshot_xl.load import ANNOTATOR, CONTROLNET, Parts
from praxino.recipe import Recipe


def denoise(
    recipe: Recipe, parts: Parts, given: list[np.ndarray], seed: int, state: LoopState | None
) -> Iterator[LoopState]:
    """See `Family.denoise`. Going on from a state, the same start is prepared again."""
    networks = parts.networks
    walk = sampling.walk(recipe.scheduler, networks.scheduler_config, recipe.options["levels"], recipe.steps)
    generator = torch.Generator("cpu").manual_seed(seed)
    start = prepare(recipe, parts, given, walk, generator)
    yield from loop.denoise(networks.unet, start, walk, generator, state)


@torch.no_grad()
def prepare(
    recipe: Recipe, parts: Parts, given: list[np.ndarray], walk: sampling.Walk, generator: torch.Generator
) -> loop.Start:
    """Read the words, draw the noise and mix the pictures in."""
    (phase,) = recipe.guidance_phases
    texts = [recipe.negative_prompt, recipe.caption] if phase.scale > 1 else [recipe.caption]
    embedded = text.embed(parts.networks.encoders, texts, parts.dtype)
    time_ids = torch.tensor([[*recipe.options["original_size"], 0, 0, *recipe.options["target_size"]]])
    noise = torch.randn(_shape(recipe, parts), generator=generator).to(parts.device)
    noisy, held = _begin(recipe, parts, given, walk, noise)
    return loop.Start(
        latents=noisy,
        states=embedded.states,
        pooled=embedded.pooled,
        time_ids=time_ids.to(parts.device, parts.dtype).expand(len(texts), -1),
        scale=phase.scale,
        rescale=phase.rescale,
        controls=_controls(recipe, parts, given),
        held=held,
    )


def _shape(recipe: Recipe, parts: Parts) -> tuple[int, ...]:
    ratio = 2 ** (len(parts.networks.vae.config.block_out_channels) - 1)
    channels = parts.networks.unet.config.in_channels
    return (1, channels, recipe.num_frames, recipe.height // ratio, recipe.width // ratio)


def _begin(
    recipe: Recipe, parts: Parts, given: list[np.ndarray], walk: sampling.Walk, noise: Tensor
) -> tuple[Tensor, loop.Held | None]:
    """The latents at the first step's level, and the first frame that is held."""
    for condition, frames in zip(recipe.conditions, given, strict=True):
        if condition.role == "video":
            return walk.noised(_encoded(recipe, parts, frames, recipe.num_frames), noise, 0), None
        if condition.role == "frame" and condition.strength > 0:
            clean = _encoded(recipe, parts, frames, 1)
            held = loop.Held(clean, noise[:, :, :1], round(condition.strength * recipe.steps))
            return walk.noised(clean.expand_as(noise), noise, 0), held
    return noise * walk.scheduler.init_noise_sigma, None


def _encoded(recipe: Recipe, parts: Parts, frames: np.ndarray, num_frames: int) -> Tensor:
    fitted = pictures.filled(pictures.resampled(frames, num_frames), recipe.width, recipe.height)
    return latents.encode(parts.networks.vae, from_uint8(fitted))


def _controls(recipe: Recipe, parts: Parts, given: list[np.ndarray]) -> list[loop.Control]:
    """The ControlNets with their maps, at the size of the clip."""
    networks = iter(parts.companions[one] for one in recipe.companions if one.role.startswith(CONTROLNET))
    controls = []
    for condition, frames in zip(recipe.conditions, given, strict=True):
        use, _, kind = condition.role.partition(":")
        if use not in ("control", "annotate"):
            continue
        fitted = pictures.filled(pictures.resampled(frames, recipe.num_frames), recipe.width, recipe.height)
        maps = _annotated(recipe, parts, kind, fitted) if use == "annotate" else fitted
        placed = from_uint8(maps).to(parts.device, parts.dtype)
        controls.append(loop.Control(next(networks), placed, condition.strength))
    return controls


def _annotated(recipe: Recipe, parts: Parts, kind: str, frames: np.ndarray) -> np.ndarray:
    """A map of each of the frames, (F, H, W, 3) uint8."""
    models = {
        name: next(parts.companions[one] for one in recipe.companions if one.role == ANNOTATOR + name)
        for name in annotate.NEEDED[kind]
    }
    return np.stack([annotate.make(kind, frame, models) for frame in frames])


@torch.no_grad()
def decode(parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.decode`."""
    return latents.decode(parts.networks.vae, state.tensors["latents"])


def preview(state: LoopState) -> np.ndarray:
    """See `Family.preview`: the middle frame of the clip as it would be with no noise left."""
    return latents.preview(state.tensors.get("denoised", state.tensors["latents"]))
