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

from praxino.families import Family, Shape, Variant, families
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
        sampling = self.family.plan(request, self.variant, Shape(SIDE, SIDE, 1, 1.0), task)
        decided = {f.name: getattr(sampling, f.name) for f in dataclasses.fields(sampling) if f.name != "notes"}
        if companions is not None:
            decided["companions"] = tuple(Companion(role, str(path)) for role, path in companions)
        media = Media("given", "", "")
        return Recipe(
            family=self.family.name, variant=self.variant.name, model="miniature", revision="", task=task,
            prompt=request.prompt, caption=request.prompt, width=SIDE, height=SIDE, num_frames=1, fps=1.0,
            guidance=sampling.guidance_phases[0].scale, seed=SEED, n=1, dtype="float32",
            conditions=tuple(Condition(0, strength, media, role) for role, _, strength in given),
            loras=tuple(Lora(str(path), scale, "") for path, scale in loras),
            encoding=Encoding("png", 0, "good", 90, "none", False, False), **decided,
        )  # fmt: skip

    def draw(self, task: str = "text-to-image", given: Sequence[Given] = (), **wish: Any) -> np.ndarray:
        """Equip and draw: (H, W, 3) uint8."""
        recipe = self.recipe(task, given, **wish)
        parts = self.family.equip(self.parts, recipe)
        *_, state = self.family.denoise(recipe, parts, [picture[None] for _, picture, _ in given], SEED)
        return self.family.decode(recipe, parts, state)[0]

    def by_hand(self, class_name: str, **components: Any) -> Callable[..., np.ndarray]:
        """A diffusers pipeline of that class, loaded by itself and called with the same steps and seed."""
        import diffusers

        pipeline = getattr(diffusers, class_name).from_pretrained(self.folder, **components)
        pipeline.set_progress_bar_config(disable=True)

        def call(**arguments: Any) -> np.ndarray:
            shared = {"prompt": "a red cat", "num_inference_steps": STEPS}
            generator = torch.Generator().manual_seed(SEED)
            return np.array(pipeline(**{**shared, **arguments}, generator=generator).images[0])

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
