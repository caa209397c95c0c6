"""A recipe of two stages as one run: steps are counted through, and any state can be gone on from."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from praxino.families import LoopState
from praxino.families._stock import loop
from praxino.families._stock.arguments import Given
from praxino.families._stock.load import Parts, pipeline_for
from praxino.families.hunyuan_video_15 import enlarge, larger
from praxino.recipe import Recipe
from praxino.sampling.noise import SeededNoise

if TYPE_CHECKING:
    from praxino.families._stock.family import StockFamily


def denoise(
    family: StockFamily, recipe: Recipe, parts: Parts, pictures: list[np.ndarray], seed: int, state: LoopState | None
) -> Iterator[LoopState]:
    """See `Family.denoise`, for recipes with a second stage."""
    pipeline = pipeline_for(family, parts, recipe)
    if state is None or state.step < _first(recipe).steps:
        state = yield from _small(family, _first(recipe), parts, pipeline, pictures, seed, state)
    yield state
    yield from _large(recipe, parts, pipeline, pictures, seed, state)


def of_stage(recipe: Recipe, state: LoopState) -> Recipe:
    """The recipe of the stage whose latents a state has: of one size."""
    return _first(recipe) if recipe.upscale and enlarge.SHOWN not in state.tensors else recipe


def _first(recipe: Recipe) -> Recipe:
    found = larger.of_recipe(recipe.options)
    return dataclasses.replace(recipe, upscale=(), steps=found.first_steps) if found else recipe


def _small(
    family: StockFamily,
    recipe: Recipe,
    parts: Parts,
    pipeline: Any,
    pictures: list[np.ndarray],
    seed: int,
    state: LoopState | None,
) -> Generator[LoopState, None, LoopState]:
    """The first stage, whose clip is not decoded; its last state is returned."""
    call = loop.Call(
        pipeline=pipeline,
        arguments={**family.arguments(Given(recipe, parts, pipeline, pictures)), "output_type": "latent"},
        num_steps=recipe.steps,
        generator=torch.Generator("cpu").manual_seed(seed),
        to_frames=lambda _: torch.empty(0),
    )
    for reached in loop.denoise(call, state):
        if reached.step == recipe.steps:
            return LoopState(reached.step, {"latents": reached.tensors["latents"]})
        yield reached
    raise RuntimeError("the first stage ended before its last step")


def _large(
    recipe: Recipe, parts: Parts, pipeline: Any, pictures: list[np.ndarray], seed: int, state: LoopState
) -> Iterator[LoopState]:
    """The second stage, from the small clip's latents or from a state of its own."""
    before = _first(recipe).steps
    if enlarge.SHOWN not in state.tensors:
        width, height = recipe.size
        ratio = pipeline.vae_scale_factor_spatial
        size = height // ratio, width // ratio
        latents, shown = enlarge.opening(parts, state.tensors["latents"], size, SeededNoise(seed))
        state = LoopState(before, {"latents": latents, enlarge.SHOWN: shown})
    begun = enlarge.start(parts, pipeline, recipe, pictures, state)
    transformer = parts.kept[enlarge.NETWORKS][1]
    for latents in enlarge.denoise(transformer, begun, recipe.steps - before, state.step - before):
        state = LoopState(state.step + 1, {"latents": latents, enlarge.SHOWN: begun.shown})
        yield state
