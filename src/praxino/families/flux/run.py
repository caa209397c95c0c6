"""A recipe, loaded networks and pictures to a denoising loop and, at its end, to a picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from praxino.families import LoopState
from praxino.families.flux import latents, loop, maps, pictures, preview, redux, text
from praxino.families.flux.controlnet import Control, reads_pixels
from praxino.families.flux.equip import ANNOTATOR, CONTROLNET, REDUX
from praxino.families.flux.load import Networks, Parts
from praxino.families.flux.settings import from_options
from praxino.recipe import Recipe
from praxino.sampling.noise import NoiseSource

MAP_ROLES = ("control", "annotate")
"""Before the colon: a ready map, and a photo of which one is made."""
DECODED_TOKENS = 16
"""Previews of pictures up to this size are decoded: that takes milliseconds, and a latent a pixel shows nothing."""


def denoise(
    recipe: Recipe, parts: Parts, given: list[np.ndarray], noise: NoiseSource, state: LoopState | None
) -> Iterator[LoopState]:
    """See `Family.denoise`. Going on from a state, the same start is prepared again."""
    start = prepare(recipe, parts, given, noise)
    plan = loop.Plan(
        sigmas=recipe.sigmas,
        guidance=recipe.guidance,
        true_guidance=from_options(recipe.options).true_guidance,
        scheduler=recipe.scheduler,
    )
    yield from loop.denoise(parts.drawing().transformer, start, plan, noise, state)


@torch.no_grad()
def prepare(recipe: Recipe, parts: Parts, given: list[np.ndarray], noise: NoiseSource) -> loop.Start:
    """Draw the noise, read the words, and put the pictures where they belong."""
    networks, settings = parts.drawing(), from_options(recipe.options)
    tokens = latents.draw(noise, networks.vae.config.latent_channels, recipe.width, recipe.height)
    own = text.embed(networks, recipe.caption, settings.max_text_tokens)
    guided = settings.true_guidance > 1
    start = loop.Start(
        tokens=tokens.to(networks.device, networks.transformer.dtype),
        positions=latents.positions(recipe.width, recipe.height).to(networks.device),
        text=_with_references(recipe, parts, given, own),
        negative=text.embed(networks, recipe.negative_prompt, settings.max_text_tokens) if guided else None,
    )
    controls = _controls(recipe, parts, given)
    image, mask = _given(recipe, given, "image"), _given(recipe, given, "mask")
    if takes_map(networks.transformer) and controls:
        start = dataclasses.replace(start, channels=controls[0].map)
    else:
        start = dataclasses.replace(start, controls=controls)
    if image is None:
        return start
    if settings.kind == "kontext":
        start = dataclasses.replace(start, beside=_beside(image, parts))
        if mask is None:
            return start
    pixels = pictures.to_pixels(pictures.resized(image, recipe.width, recipe.height))
    soft = None if mask is None else pictures.to_mask(pictures.resized(mask, recipe.width, recipe.height))
    if settings.kind == "fill":
        return dataclasses.replace(start, channels=fill_channels(networks, pixels, soft))
    return noised(start, encoded(networks, pixels), soft, recipe.sigmas[0])


def takes_map(transformer: Any) -> bool:
    """Whether a transformer, or a LoRA that is laid over it, has room for a map on its channels."""
    return transformer.x_embedder.in_features == 2 * transformer.out_channels


def encoded(networks: Networks, pixels: Tensor) -> Tensor:
    """Pixels (1, 3, H, W) as tokens, rounded to bfloat16 as the authors do at every precision."""
    return latents.encode(networks.vae, pixels).bfloat16().to(networks.transformer.dtype)


def fill_channels(networks: Networks, pixels: Tensor, mask: Tensor | None) -> Tensor:
    """What Fill is given on its channels: the picture without what is drawn, and the mask with its soft edges."""
    mask = torch.zeros_like(pixels[:, :1]) if mask is None else mask
    covered = pictures.mask_tokens(mask).bfloat16().to(networks.device, networks.transformer.dtype)
    return torch.cat((encoded(networks, pixels * (1 - mask)), covered), dim=-1)


def noised(start: loop.Start, picture: Tensor, mask: Tensor | None, t: float) -> loop.Start:
    """A start from a picture at the noise level t; with a mask (1, 1, H, W), only what it covers is drawn."""
    mixed = t * start.tokens + (1 - t) * picture
    if mask is None:
        return dataclasses.replace(start, tokens=mixed)
    cells = torch.nn.functional.avg_pool2d(mask, latents.SPATIAL_RATIO)
    channels = picture.shape[-1] // latents.PATCH**2
    drawn = latents.pack(cells.expand(-1, channels, -1, -1)).to(picture)
    return dataclasses.replace(start, tokens=mixed, kept=loop.Kept(picture, start.tokens, drawn))


def _given(recipe: Recipe, given: list[np.ndarray], role: str) -> np.ndarray | None:
    """The picture of a role, (H, W, 3) uint8."""
    found = [frames[0] for condition, frames in zip(recipe.conditions, given, strict=True) if condition.role == role]
    return found[0] if found else None


def _with_references(recipe: Recipe, parts: Parts, given: list[np.ndarray], own: text.Text) -> text.Text:
    references = [
        (frames[0], condition.strength)
        for condition, frames in zip(recipe.conditions, given, strict=True)
        if condition.role == "reference"
    ]
    return redux.with_pictures(parts.beside(recipe, REDUX)[0], own, references) if references else own


def _beside(image: np.ndarray, parts: Parts) -> loop.Beside:
    """A picture to be edited, in the size of the bucket that its own aspect is nearest to."""
    networks = parts.drawing()
    width, height = parts.variant.grid.bucket(image.shape[1], image.shape[0])
    tokens = encoded(networks, pictures.to_pixels(pictures.resized(image, width, height)))
    return loop.Beside(tokens, latents.positions(width, height, index=1).to(networks.device))


def _controls(recipe: Recipe, parts: Parts, given: list[np.ndarray]) -> list[Control]:
    """The maps to follow, each as its reader takes it."""
    networks = parts.drawing()
    readers = parts.beside(recipe, CONTROLNET)
    found: list[Control] = []
    for condition, frames in zip(recipe.conditions, given, strict=True):
        role, _, kind = condition.role.partition(":")
        if role not in MAP_ROLES:
            continue
        frame = pictures.resized(frames[0], recipe.width, recipe.height)
        makers = parts.beside(recipe, f"{ANNOTATOR}:{kind}")
        reader = readers[len(found)] if readers else None
        made = maps.make(kind, frame, makers, for_checkpoint=reader is None) if role == "annotate" else None
        pixels = pictures.to_pixels(frame) if made is None else made
        raw = reader is not None and reads_pixels(reader)
        tokens = pixels.to(networks.device, networks.transformer.dtype) if raw else encoded(networks, pixels)
        found.append(Control(reader, tokens, kind, condition.strength))
    return found


@torch.no_grad()
def decode(recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.decode`."""
    return _decoded(recipe, parts, state.tensors["latents"])


@torch.no_grad()
def preview_of(recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.preview`: the picture as it would be with no noise left."""
    clean = state.tensors.get("denoised", state.tensors["latents"])
    if clean.shape[1] <= DECODED_TOKENS:
        return _decoded(recipe, parts, clean)[0]
    if parts.preview is None:
        parts.preview = preview.fit(parts.drawing().vae)
    return preview.draw(parts.preview, latents.unpack(clean, recipe.width, recipe.height))


def _decoded(recipe: Recipe, parts: Parts, tokens: Tensor) -> np.ndarray:
    networks = parts.drawing()
    clean = latents.unpack(tokens, recipe.width, recipe.height)
    return latents.to_frames(latents.decode(networks.vae, clean, networks.transformer.dtype))
