"""Qualities exact and near, held to their word in every family.

Exact: a family that is a pipeline of diffusers draws what the plain pipeline draws, bit for bit in float32, with
answers of text encoders out of files. The families with loops of their own are held against their authors' code instead
(tests/integration/test_*_reference.py). Near: bfloat16 on a CPU draws about that.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from praxino import media
from praxino.engine import loaded, speeding
from praxino.engine.resolve import resolve
from praxino.engine.run import draw
from praxino.families import Variant, families
from praxino.families._stock import schedulers
from praxino.families._stock.arguments import Given
from praxino.families._stock.family import StockFamily
from praxino.families._stock.load import Parts, diffusers_class, from_folder, quiet, settled
from praxino.families._stock.run import _frames
from praxino.recipe import Recipe
from praxino.request import Request
from praxino.weights import catalog

HEAVY = ("allegro", "framepack")
"""Draw clips of many frames, whatever is asked for: minutes."""
STOCK = {name: family for name, family in families().items() if isinstance(family, StockFamily)}
CPU = torch.device("cpu")


def wish(variant: Variant, folder: Path) -> dict[str, object]:
    """What is drawn: as little as can be."""
    least = variant.grid.frame_step + 1
    given: dict[str, object] = {} if variant.num_frames <= least else {"frames": least}
    if not variant.needs and {"text-to-video", "text-to-image"} & {*variant.tasks}:
        return given
    picture = folder.parent / "picture.png"
    Image.fromarray(np.full((32, 32, 3), 90, np.uint8)).save(picture)
    return given | {"first": str(picture)}


def plainly(family: StockFamily, folder: Path, variant: Variant, recipe: Recipe) -> np.ndarray:
    """As a script with diffusers draws it: its pipeline from the folder, the scheduler that is asked for, one call."""
    kind = diffusers_class(family.pipeline_of(variant, recipe.task))
    with quiet():
        pipeline = from_folder(folder, kind, torch.float32, family.reader(folder) if family.reader else {})
    parts = Parts(settled(pipeline, CPU), variant, CPU, torch.float32)
    pipeline.scheduler = schedulers.make(pipeline.scheduler, recipe.scheduler, family.schedulers)
    pipeline.set_progress_bar_config(disable=True)
    pictures = [media.load(condition.media) for condition in recipe.conditions]
    arguments = family.arguments(Given(recipe, parts, pipeline, pictures))
    torch.manual_seed(recipe.seed)
    with quiet():
        return _frames(pipeline(**arguments, generator=torch.Generator().manual_seed(recipe.seed))).numpy()


@pytest.mark.parametrize("name", [name for name in STOCK if name not in HEAVY])
def test_exact_is_what_the_plain_pipeline_draws(name: str, tmp_path: Path) -> None:
    family, folder = STOCK[name], tmp_path / "miniature"
    family.miniature(folder)
    entry = catalog.identify(folder, str(folder))
    assert entry is not None
    given = wish(entry.variant, folder)
    recipe = resolve(Request("a red cat", model=str(folder), steps=2, seed=3, dtype="float32", **given)).recipe
    wanted = plainly(family, folder, entry.variant, recipe)
    for _ in range(2):
        loaded.forget()
        (found,) = draw(recipe, lambda event: None)
        assert np.array_equal(found.frames, wanted)


@pytest.mark.parametrize("name", [name for name in families() if name not in HEAVY])
def test_near_is_near_in_every_family(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speeding, "cpu_computes_bfloat16", lambda: True)
    families()[name].miniature(folder := tmp_path / "miniature")
    entry = catalog.identify(folder, str(folder))
    assert entry is not None
    given = wish(entry.variant, folder) | (
        {"motion_template": "walk"} if "motion-template" in entry.variant.needs else {}
    )
    frames = []
    for quality in ("exact", "near"):
        loaded.forget()
        recipe = resolve(Request("a red cat", model=str(folder), steps=2, seed=3, quality=quality, **given)).recipe
        frames.append(draw(recipe, lambda event: None)[0].frames.astype(float))
    assert recipe.dtype == "bfloat16"
    error = np.mean((frames[0] - frames[1]) ** 2)
    assert 0 < error < 255**2 / 10**3.8, "38 dB"
