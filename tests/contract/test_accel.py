"""Every plan on every family's miniature: the exact ones draw the same pixels, the others the same each time."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from praxino import media
from praxino.accel.answers import Answers
from praxino.accel.caches import KINDS, Caching, why_not
from praxino.accel.encoders import asking, read_later, unread
from praxino.accel.networks import networks, num_bytes
from praxino.accel.placement import placed, store_in_float8
from praxino.accel.plan import Plan
from praxino.accel.reuse import reusing
from praxino.accel.speed import NOT_KEPT
from praxino.accel.weight import weigh
from praxino.engine.resolve import resolve
from praxino.families import Family, Variant, families
from praxino.recipe import Recipe
from praxino.request import Request
from praxino.weights import catalog

HEAVY = ("framepack",)
"""Families that always decode a whole section of many frames."""
CERTAIN_LENGTHS = "allegro"
"""Draws only clips of lengths that its tiles cover."""
DRAWN = [pytest.param(name, marks=[pytest.mark.slow] if name in HEAVY else []) for name in families()]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory):
    @cache
    def made(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name) / "miniature"
        families()[name].miniature(folder)
        return folder

    return made


def begun(folder: Path, device: str = "cpu", **more: Any) -> tuple[Family, Recipe, Any]:
    """A family, a recipe of two steps (with `more` of a Request), and its parts, equipped."""
    entry = catalog.identify(folder, str(folder))
    assert entry is not None
    given = wish(entry.variant, folder) | shortest(entry.variant)
    recipe = resolve(
        Request("a red cat", model=str(folder), seed=3, dtype="float32", **{"steps": 2} | given | more)
    ).recipe
    parts = entry.family.load(folder, entry.variant, "float32", device)
    return entry.family, recipe, entry.family.equip(parts, recipe)


def shortest(variant: Variant) -> dict[str, Any]:
    """The least frames that a family of clips draws beside one picture: plans are about networks, not about length."""
    least = variant.grid.frame_step + 1
    return {} if variant.num_frames <= least or variant.name.startswith(CERTAIN_LENGTHS) else {"frames": least}


def wish(variant: Variant, folder: Path) -> dict[str, Any]:
    """What a variant that does not draw from words alone is given: a picture, and a motion where it needs one."""
    if not variant.needs and {"text-to-video", "text-to-image"} & {*variant.tasks}:
        return {}
    picture = folder.parent / "picture.png"
    Image.fromarray(np.full((32, 32, 3), 90, np.uint8)).save(picture)
    return {"first": str(picture), **({"motion_template": "walk"} if "motion-template" in variant.needs else {})}


def distinct(tensors: Any) -> list[torch.Tensor]:
    """Tied weights have two names."""
    return list({tensor.data_ptr(): tensor for tensor in tensors}.values())


def drawn(family: Family, recipe: Recipe, parts: Any) -> np.ndarray:
    pictures = [media.load(condition.media) for condition in recipe.conditions]
    *_, state = family.denoise(recipe, parts, pictures, recipe.seed)
    return family.decode(recipe, parts, state)


@pytest.mark.parametrize("name", families())
def test_every_weight_is_found_and_counted_from_the_files(folders, name: str) -> None:
    _, _, parts = begun(folders(name))
    loaded = dict.fromkeys(("encode", "denoise", "vae"), 0)
    for network in networks(parts):
        loaded[network.stage] += sum(tensor.numel() for tensor in distinct(network.module.state_dict().values()))
    assert loaded == pytest.approx(weigh(folders(name)).parameters, rel=0.02)
    assert num_bytes(parts) >= 4 * sum(loaded.values())


@pytest.mark.parametrize("name", DRAWN)
def test_exact_plans_draw_the_same_pixels(folders, name: str) -> None:
    family, recipe, parts = begun(folders(name))
    resident = drawn(family, recipe, parts)
    for placement in ("offload", "group"):
        with placed(parts, Plan(placement), "cpu"):
            assert np.array_equal(drawn(family, recipe, parts), resident), placement


@pytest.mark.parametrize("name", DRAWN)
def test_kept_answers_draw_the_same_pixels_and_leave_encoders_unread(folders, name: str, tmp_path: Path) -> None:
    family, recipe, parts = begun(folders(name))
    plain, answers = drawn(family, recipe, parts), Answers(tmp_path, 2**30)
    num_encoders = sum(network.stage == "encode" for network in networks(parts))
    left = []
    for _ in range(2):
        with read_later():
            _, _, parts = begun(folders(name))
        with asking(parts, answers):
            assert np.array_equal(drawn(family, recipe, parts), plain)
        left.append(len(unread(parts)))
    assert left[0] < num_encoders or name in NOT_KEPT
    assert left[1] == (0 if name in NOT_KEPT else num_encoders)


WITH_TAYLOR = {"ltx-video", "sd3", "wan"}
"""Of the families, those that draw with taylor in the usual suite, too: it sees of a network what easy does."""
CACHED = [
    pytest.param(kind, name, marks=[pytest.mark.slow] if kind == "taylor" and name not in WITH_TAYLOR else [])
    for kind in KINDS
    for name in families()
    if not why_not(kind, name, in_blocks=False)
]


@pytest.mark.parametrize(("kind", "name"), CACHED)
def test_steps_are_reused_and_a_saved_run_reuses_the_same(folders, kind: Any, name: str) -> None:
    family, recipe, parts = begun(folders(name), steps=5)
    pictures = [media.load(condition.media) for condition in recipe.conditions]
    caching = Caching(kind, float("inf") if kind != "taylor" else 9, 3, 3, (1.0,) * 5)

    def run(saved: tuple[Any, dict[str, torch.Tensor]] | None) -> tuple[np.ndarray, Any, int]:
        kept = None
        with reusing(parts, caching, recipe.steps) as reuse:
            for state in family.denoise(recipe, parts, pictures, recipe.seed, saved[0] if saved else None):
                if state.step == (saved[0].step if saved else 0):
                    reuse.restore(saved[1] if saved else {})
                if state.step == 3:
                    kept = dataclasses.replace(state), reuse.state()
            return family.decode(recipe, parts, state), kept, reuse.num_reused

    whole, saved, num_reused = run(None)
    assert num_reused > 0
    resumed, _, num_resumed = run(saved)
    assert num_resumed == num_reused
    assert np.array_equal(resumed, whole)
    assert not np.array_equal(drawn(family, recipe, parts), whole)


@pytest.mark.parametrize("name", DRAWN)
def test_other_plans_draw_the_same_pixels_each_time(folders, name: str) -> None:
    family, recipe, parts = begun(folders(name))
    before = num_bytes(parts)
    store_in_float8(parts)
    assert num_bytes(parts) < before
    with placed(parts, Plan("resident", "float8"), "cpu"):
        once = drawn(family, recipe, parts)
    small = num_bytes(parts)
    with placed(parts, Plan("group", "float8"), "cpu"):
        assert np.array_equal(drawn(family, recipe, parts), once)
    assert num_bytes(parts) == small < before


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: networks cannot leave one")
@pytest.mark.parametrize("name", families())
def test_on_a_gpu_exact_plans_draw_the_same_pixels_and_leave_it(folders, name: str) -> None:
    family, recipe, parts = begun(folders(name), "cuda")
    resident = drawn(family, recipe, parts)
    family, recipe, parts = begun(folders(name))
    for placement in ("offload", "group"):
        with placed(parts, Plan(placement), "cuda"):
            assert np.array_equal(drawn(family, recipe, parts), resident), placement
        places = {weight.device.type for network in networks(parts) for weight in network.module.parameters()}
        assert places == {"cpu"}
