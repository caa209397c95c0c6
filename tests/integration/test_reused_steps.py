"""Steps left out beside the other means: memory plans, compiled blocks, branches in turn, perturbed passes."""

import numpy as np
import pytest
import torch

from praxino.accel.caches import Caching
from praxino.accel.compiled import compiling
from praxino.accel.placement import placed
from praxino.accel.plan import Plan
from praxino.accel.reuse import reusing
from praxino.accel.trials import laid
from praxino.engine.resolve import resolve
from praxino.families import families
from praxino.request import Request
from praxino.weights import catalog

STEPS = 6
KINDS = [Caching("easy", 9.0, 3), Caching("first-block", 9.0, 3), Caching("mag", 9.0, 3, 3, (1.0,) * STEPS)]
WISHES = {
    "wan": {"frames": 5, "guidance": 3.0},
    "ltx-video": {"frames": 9, "guidance": 3.0, "stg": 1.0, "stg_blocks": (1,)},
}


@pytest.fixture(scope="module", params=WISHES)
def begun(request, tmp_path_factory):
    families()[request.param].miniature(folder := tmp_path_factory.mktemp(request.param) / "miniature")
    entry = catalog.identify(folder, str(folder))
    wish = Request("a red cat", model=str(folder), seed=3, steps=STEPS, dtype="float32", **WISHES[request.param])
    recipe = resolve(wish).recipe
    parts = entry.family.equip(entry.family.load(folder, entry.variant, "float32", "cpu"), recipe)
    return entry.family, recipe, parts


def drawn(begun, caching):
    """The frames, and how many calls were reused."""
    family, recipe, parts = begun
    with reusing(parts, caching, recipe.steps) as reuse:
        for state in family.denoise(recipe, parts, [], recipe.seed):
            if state.step == 0:
                reuse.restore({})
        return family.decode(recipe, parts, state), reuse.num_reused


@pytest.mark.parametrize("caching", KINDS, ids=lambda caching: caching.kind)
def test_they_are_the_same_beside_the_other_means(begun, caching, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda forward: lambda *args, **kwargs: forward(*args, **kwargs))
    parts = begun[2]
    frames, count = drawn(begun, caching)
    assert count > 0
    for means in (
        placed(parts, Plan("offload"), "cpu"),
        placed(parts, Plan("group"), "cpu"),
        compiling(parts, tmp_path, pytest.fail),
    ):
        with means:
            found, num_reused = drawn(begun, caching)
        assert np.array_equal(found, frames)
        assert num_reused == count
    with laid(parts, ["passes:1"]):
        found, num_reused = drawn(begun, caching)
    assert np.abs(found.astype(int) - frames).max() <= 1
    assert num_reused == count
