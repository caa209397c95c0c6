"""Quality exact on every family that is a pipeline of diffusers: the engine draws what the plain pipeline draws.

Bit for bit, in float32, with everything that exact has: answers of text encoders out of files among it. The families
with loops of their own are held against their authors' code instead (tests/integration/test_*_reference.py).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from praxino import media
from praxino.engine import loaded
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
    if {"text-to-video", "text-to-image"} & {*variant.tasks}:
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
