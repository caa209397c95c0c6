"""The miniature, loaded once, and short ways to wish for something of it and to draw that."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from praxino.families import Sampling, Shape, Variant
from praxino.families.hotshot_xl import FAMILY
from praxino.families.hotshot_xl.load import Parts
from praxino.recipe import Condition, Encoding, Lora, Media, Recipe
from praxino.request import Request

DECIDED = [field.name for field in dataclasses.fields(Sampling) if field.name != "notes"]


@pytest.fixture(scope="session")
def miniature(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hotshot") / "miniature"
    FAMILY.miniature(folder)
    return folder


@pytest.fixture(scope="session")
def variant(miniature: Path) -> Variant:
    found = FAMILY.identify(miniature)
    assert found is not None
    return found


@pytest.fixture(scope="session")
def _loaded(miniature: Path, variant: Variant) -> Parts:
    return FAMILY.load(miniature, variant, "float32", "cpu")


@pytest.fixture
def parts(_loaded: Parts, recipe_of: Callable[..., Recipe]) -> Parts:
    """The miniature with nothing laid over it."""
    return FAMILY.equip(_loaded, recipe_of())


@pytest.fixture
def recipe_of(variant: Variant) -> Callable[..., Recipe]:
    """A recipe of the miniature, as the engine would make it of a Request's fields."""

    def made(
        task: str = "text-to-video",
        roles: tuple[tuple[str, float], ...] = (),
        loras: tuple[tuple[Path, float], ...] = (),
        num_frames: int = 2,
        prompt: str = "a red cat",
        of: Variant = variant,
        **wish: Any,
    ) -> Recipe:
        shape = Shape(of.width, of.height, num_frames, of.fps)
        steps = wish.pop("steps", 2 if task == "text-to-video" else 4)
        sampling = FAMILY.plan(Request(prompt=prompt, steps=steps, **wish), of, shape, task)
        decided = {name: getattr(sampling, name) for name in DECIDED}
        media = Media(source="given", sha256="", data="")
        return Recipe(
            family="hotshot-xl", variant=of.name, model="miniature", revision="", task=task, prompt=prompt,
            caption=prompt, width=shape.width, height=shape.height, num_frames=num_frames, fps=shape.fps,
            guidance=sampling.guidance_phases[0].scale, seed=5, n=1, dtype="float32",
            conditions=tuple(Condition(0, strength, media, role) for role, strength in roles),
            loras=tuple(Lora(str(path), scale, "") for path, scale in loras),
            encoding=Encoding("gif", 0, "good", 90, "none", False, False), **decided,
        )  # fmt: skip

    return made


@pytest.fixture
def draw() -> Callable[..., np.ndarray]:
    """The frames of a recipe; equips the parts first."""

    def drawn(parts: Parts, recipe: Recipe, given: list[np.ndarray] | None = None) -> np.ndarray:
        FAMILY.equip(parts, recipe)
        *_, state = FAMILY.denoise(recipe, parts, given or [], recipe.seed)
        return FAMILY.decode(recipe, parts, state)

    return drawn
