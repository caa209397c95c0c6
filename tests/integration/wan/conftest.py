"""Miniatures of Wan, loaded once, and the authors' reference."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from praxino.families import Shape, Variant
from praxino.families.wan import FAMILY
from praxino.recipe import Condition, Encoding, Media, Recipe
from praxino.request import Request

REFERENCE = Path(__file__).parents[2] / "reference" / "wan"
MEDIA = Media("given", "", "")


@pytest.fixture(scope="session")
def arrays() -> dict[str, np.ndarray]:
    with np.load(REFERENCE / "ref.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder in the authors' layout by the reference's name: weights in their naming, and their config.json."""
    configs = json.loads((REFERENCE / "config.json").read_text())

    @cache
    def made(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        shutil.copy(REFERENCE / f"{name}.safetensors", folder / "diffusion_pytorch_model.safetensors")
        (folder / "config.json").write_text(json.dumps({**configs["common"], **configs[name]}))
        return folder

    return made


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @cache
    def made(like: str) -> Path:
        folder = tmp_path_factory.mktemp(like) / "miniature"
        FAMILY.miniature(folder, like)
        return folder

    return made


@pytest.fixture(scope="session")
def loaded(miniature) -> Callable[..., tuple[Variant, Any]]:
    @cache
    def read(like: str, dtype: str = "float32") -> tuple[Variant, Any]:
        variant = FAMILY.identify(miniature(like))
        return variant, FAMILY.load(miniature(like), variant, dtype, "cpu")

    return read


def recipe_of(variant: Variant, conditions: tuple[Condition, ...] = (), task: str = "text-to-video", **wish: Any):
    """A recipe of a miniature, as the engine would make it."""
    wish = {"prompt": "a red cat", **wish}
    shape = Shape(variant.width, variant.height, wish.pop("num_frames", variant.num_frames), variant.fps)
    sampling = FAMILY.plan(Request(**wish), variant, shape, task)
    decided = {field.name: getattr(sampling, field.name) for field in dataclasses.fields(sampling)}
    del decided["notes"]
    return Recipe(
        family="wan", variant=variant.name, model="miniature", revision="", task=task, prompt=wish["prompt"],
        caption=wish["prompt"], width=shape.width, height=shape.height, num_frames=shape.num_frames, fps=shape.fps,
        guidance=max(phase.scale for phase in sampling.guidance_phases), seed=3, n=1, dtype="float32",
        conditions=conditions, loras=(), encoding=Encoding("gif", 0, "good", 90, "none", False, False), **decided,
    )  # fmt: skip


def picture(seed: int, width: int = 40, height: int = 24, frames: int = 1) -> np.ndarray:
    """A smooth picture or clip, (F, H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    small = torch.from_numpy(rng.uniform(0, 255, (1, 3, frames, 4, 4)))
    large = torch.nn.functional.interpolate(small, (frames, height, width), mode="trilinear")
    return large[0].permute(1, 2, 3, 0).round().byte().numpy()


def condition(role: str = "frame", frame: int = 0, strength: float = 1.0) -> Condition:
    return Condition(frame, strength, MEDIA, role)


def last(states):
    *_, state = states
    return state
