"""Miniatures of the stock families, what can be laid over them, and a way to draw with either."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from praxino.engine.geometry import resolve_upscale
from praxino.families import Family, LoopState, Shape, Variant, families
from praxino.recipe import Companion, Condition, Encoding, Lora, Media, Recipe
from praxino.request import Request

SIDE, STEPS, SEED = 64, 4, 7
Given = tuple[str, np.ndarray, float]
"""A condition's role, its picture (H, W, 3) uint8, and its strength."""


@dataclass(frozen=True)
class Model:
    """A miniature, loaded."""

    family: Family
    variant: Variant
    parts: Any
    folder: Path

    def recipe(self, task: str = "text-to-image", given: Sequence[Given] = (), **wish: Any) -> Recipe:
        """The recipe of a wish; `loras` and `companions` are taken as they are."""
        loras, companions = wish.pop("loras", ()), wish.pop("companions", None)
        request = Request(**{"prompt": "a red cat", "steps": STEPS, **wish})
        side = min(SIDE, self.variant.width)
        upscale = resolve_upscale(self.variant.upscale or None, (side, side), self.variant.grid)
        sampling = self.family.plan(request, self.variant, Shape(side, side, 1, 1.0, upscale), task)
        decided = {f.name: getattr(sampling, f.name) for f in dataclasses.fields(sampling) if f.name != "notes"}
        if companions is not None:
            decided["companions"] = tuple(Companion(role, str(path)) for role, path in companions)
        media = Media("given", "", "")
        return Recipe(
            family=self.family.name, variant=self.variant.name, model="miniature", revision="", task=task,
            prompt=request.prompt, caption=request.prompt, width=side, height=side, num_frames=1, fps=1.0,
            guidance=sampling.guidance_phases[0].scale, seed=SEED, n=1, dtype="float32",
            conditions=tuple(Condition(0, strength, media, role) for role, _, strength in given),
            loras=tuple(Lora(str(path), scale, "") for path, scale in loras),
            encoding=Encoding("png", 0, "good", 90, "none", False, False), upscale=upscale, **decided,
        )  # fmt: skip

    def draw(self, task: str = "text-to-image", given: Sequence[Given] = (), **wish: Any) -> np.ndarray:
        """Equip and draw: (H, W, 3) uint8."""
        recipe = self.recipe(task, given, **wish)
        parts = self.family.equip(self.parts, recipe)
        *_, state = self.family.denoise(recipe, parts, [picture[None] for _, picture, _ in given], SEED)
        return self.family.decode(recipe, parts, state)[0]

    def states(
        self, recipe: Recipe, pictures: list[np.ndarray] | None = None, saved: LoopState | None = None
    ) -> list[LoopState]:
        """All states of a run, or of one that goes on."""
        return list(self.family.denoise(recipe, self.parts, pictures or [], SEED, saved))

    @staticmethod
    def stored(state: LoopState) -> LoopState:
        """The state as a checkpoint gives it back."""
        return LoopState(state.step, load(save({key: tensor.contiguous() for key, tensor in state.tensors.items()})))

    def check_going_on(self, recipe: Recipe, pictures: list[np.ndarray] | None = None) -> None:
        """What is left of a run after any of its steps gives the same frames, bit for bit."""
        straight = self.states(recipe, pictures)
        assert [state.step for state in straight] == list(range(recipe.steps + 1))
        for state in straight[0], straight[1], straight[-2], straight[-1]:
            resumed = self.states(recipe, pictures, self.stored(state))
            assert [later.step for later in resumed] == list(range(state.step, recipe.steps + 1))
            for name in "latents", "frames":
                assert torch.equal(resumed[-1].tensors[name], straight[-1].tensors[name])

    def by_hand(self, class_name: str, **components: Any) -> Callable[..., np.ndarray]:
        """A diffusers pipeline of that class, loaded by itself and called with the same steps and seed.

        None leaves an argument out.
        """
        import diffusers

        pipeline = getattr(diffusers, class_name).from_pretrained(self.folder, **components)
        pipeline.set_progress_bar_config(disable=True)

        def call(**arguments: Any) -> np.ndarray:
            shared = {"prompt": "a red cat", "num_inference_steps": STEPS, **arguments}
            told = {name: value for name, value in shared.items() if value is not None}
            generator = torch.Generator().manual_seed(SEED)
            return np.array(pipeline(**told, generator=generator).images[0])

        call.pipeline = pipeline  # pyright: ignore[reportFunctionMemberAccess]
        return call


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Model]:
    @cache
    def loaded(name: str, like: str | None = None) -> Model:
        folder = tmp_path_factory.mktemp(name)
        family = families()[name]
        family.miniature(folder, like)
        variant = family.identify(folder)
        assert variant is not None
        return Model(family, variant, family.load(folder, variant, "float32", "cpu"), folder)

    return loaded


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """A smooth picture with an edge in it."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    channels = [x * 4, y * 4, (np.hypot(x - 30, y - 20) < 14) * 255]
    return np.stack(channels, -1).astype(np.uint8)


@pytest.fixture(scope="session")
def mask() -> np.ndarray:
    """Its right half is drawn anew."""
    found = np.zeros((SIDE, SIDE, 3), np.uint8)
    found[:, SIDE // 2 :] = 255
    return found
