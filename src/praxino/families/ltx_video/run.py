"""A recipe, loaded networks and pictures to a denoising loop and, at its end, to frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from praxino.families import LoopState, _in_context, _linear
from praxino.families.ltx_video import (
    conditioning,
    latents,
    loop,
    passes,
    pictures,
    positions,
    text,
    upsampler,
)
from praxino.families.ltx_video.settings import from_options
from praxino.recipe import Recipe
from praxino.sampling.noise import NoiseSource, SeededNoise

if TYPE_CHECKING:
    from praxino.families.ltx_video.load import Parts

FIRST_LATENTS, FIRST_GENERATOR = "first_latents", "first_generator"
"""What the first pass ended with, which a second one is prepared from."""


@dataclass(frozen=True)
class Given:
    """All that a run's passes have in common."""

    recipe: Recipe
    parts: Parts
    pictures: list[np.ndarray]
    noise: NoiseSource
    text: text.Embedded
    negative: text.Embedded | None


def denoise(
    recipe: Recipe, parts: Parts, pictures: list[np.ndarray], noise: NoiseSource, state: LoopState | None
) -> Iterator[LoopState]:
    """See `Family.denoise`. Going on from a state, the start of its pass is prepared again."""
    given = read(recipe, parts, pictures, noise)
    first, *more = passes.passes_of(recipe)
    if state is None or state.step <= first.last_step:
        for state in loop.denoise(parts.transformer, prepare(given, first), first.plan, noise, state):  # noqa: B020
            yield state
    if more and state is not None:
        yield from _refine(given, more[0], state)


def _refine(given: Given, second: passes.Pass, state: LoopState) -> Iterator[LoopState]:
    """The second pass, from the first one's last state or from one of its own."""
    if state.step == second.steps_before:
        kept = {FIRST_LATENTS: state.tensors["latents"], FIRST_GENERATOR: state.tensors["generator"]}
        reached = None
    else:
        kept = {name: state.tensors[name] for name in (FIRST_LATENTS, FIRST_GENERATOR)}
        reached = LoopState(state.step - second.steps_before, state.tensors)
    given.noise.restore(kept[FIRST_GENERATOR])
    first = passes.passes_of(given.recipe)[0]
    small = positions.unpack(kept[FIRST_LATENTS].to(given.parts.device), first.shape)
    start = prepare(given, second, upsampler.upsample(given.parts, small))
    for inner in loop.denoise(given.parts.transformer, start, second.plan, given.noise, reached):
        if inner.step > 0:
            yield LoopState(second.steps_before + inner.step, {**inner.tensors, **kept})


@torch.no_grad()
def read(recipe: Recipe, parts: Parts, pictures: list[np.ndarray], noise: NoiseSource) -> Given:
    """Read the words."""
    max_tokens = from_options(recipe.options).max_text_tokens

    def embed(words: str) -> text.Embedded:
        return text.embed(parts.text_encoder, parts.tokenizer, words, max_tokens, parts.transformer.dtype)

    guided = any(phase.scale > 1 for phase in recipe.guidance_phases)
    negative = embed(recipe.negative_prompt) if guided else None
    return Given(recipe, parts, pictures, noise, embed(recipe.caption), negative)


@torch.no_grad()
def prepare(given: Given, one: passes.Pass, latents_before: Tensor | None = None) -> loop.Start:
    """Draw the noise of a pass and mix in what came before, (1, C, f, h, w), and the pictures."""
    recipe, parts, noise = given.recipe, given.parts, given.noise
    frames, rows, columns = one.shape
    tokens = noise.draw((1, frames * rows * columns, parts.transformer.config.in_channels))
    begun = positions.unpack(tokens, one.shape).to(parts.device)
    if latents_before is not None:
        begun = torch.lerp(latents_before, begun, one.plan.sigmas[0])
    settings = from_options(recipe.options)
    mixed = conditioning.mix(begun, _encode(given, one), settings, noise)
    return loop.Start(
        tokens=mixed.tokens,
        coords=positions.in_seconds(mixed.coords, recipe.fps),
        strengths=mixed.strengths,
        text=given.text,
        negative=given.negative,
    )


def _encode(given: Given, one: passes.Pass) -> list[conditioning.Held]:
    """The pictures at the size of a pass, cropped to the aspect of the frames in the end."""
    recipe, settings = given.recipe, from_options(given.recipe.options)
    held = []
    for condition, frames in zip(recipe.conditions, given.pictures, strict=True):
        conditioning.check_place(condition.frame, len(frames), recipe.num_frames, settings)
        length = conditioning.trimmed_length(len(frames), condition.frame, recipe.num_frames, settings)
        followed = _in_context.is_followed(condition)
        if followed:
            clip = given.parts.annotators.maps(frames[:length], condition.role)
            prepared = pictures.fit(clip, one.width, one.height)
        else:
            room = pictures.Room(one.width, one.height, passes.final_size(recipe))
            prepared = pictures.prepare(frames[:length], room, settings.image_preparation)
        encoded = latents.encode(given.parts.vae, prepared, given.noise)
        held.append(conditioning.Held(encoded, condition.frame, condition.strength, followed))
    return held


@torch.no_grad()
def decode(recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.decode`. Decoding noise comes from the state's generator."""
    noise = SeededNoise(0)
    noise.restore(state.tensors["generator"])
    shape = passes.pass_of(recipe, state).shape
    clean = positions.unpack(state.tensors["latents"].to(parts.device), shape)
    return latents.decode(parts.vae, clean, from_options(recipe.options), noise, passes.final_size(recipe))


DECODED_CELLS = 64
"""Previews of latent frames up to this size are decoded: that takes milliseconds, and a cell a pixel shows nothing."""


@torch.no_grad()
def preview(recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.preview`: the middle latent frame of the clip as it would be with no noise left."""
    shape = passes.pass_of(recipe, state).shape
    clean = positions.unpack(state.tensors.get("denoised", state.tensors["latents"]), shape)
    middle = clean[:, :, shape[0] // 2 :][:, :, :1]
    if shape[1] * shape[2] <= DECODED_CELLS:
        settings, size = from_options(recipe.options), (recipe.width, recipe.height)
        return latents.decode(parts.vae, middle.to(parts.device), settings, SeededNoise(0), size)[0]
    return _linear.preview(middle, parts.variant.options.get("preview"))
