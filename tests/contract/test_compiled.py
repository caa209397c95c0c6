"""The blocks that are compiled, in every family: found, traced whole, and drawing what they draw plainly.

The graphs that torch traces are run as they are, operator by operator: then they give the same bits.
"""

from functools import partial

import pytest
import torch

from praxino import media
from praxino.accel import compiled
from praxino.accel.compiled import blocks, compiling
from praxino.engine.resolve import resolve
from praxino.families import families
from praxino.request import Request
from praxino.weights import catalog

QUICK = ("cogvideox", "flux", "hunyuan-video-i2v", "sd3", "sdxl", "wan")
"""Families of every way in which blocks are found; tracing all of them takes minutes."""


def begun(name, folder, **given):
    """A family, a recipe of two steps, its pictures and its parts."""
    families()[name].miniature(folder)
    entry = catalog.identify(folder, str(folder))
    assert entry is not None
    if entry.variant.needs or not {"text-to-video", "text-to-image"} & {*entry.variant.tasks}:
        (picture := folder.parent / "picture.ppm").write_bytes(b"P6 32 32 255\n" + bytes([90]) * 32 * 32 * 3)
        given["first"] = str(picture)
        given |= {"motion_template": "walk"} if "motion-template" in entry.variant.needs else {}
    recipe = resolve(Request("a red cat", model=str(folder), seed=3, dtype="float32", steps=2, **given)).recipe
    parts = entry.family.equip(entry.family.load(folder, entry.variant, "float32", "cpu"), recipe)
    return entry.family, recipe, [media.load(condition.media) for condition in recipe.conditions], parts


@pytest.fixture
def graphs(tmp_path, monkeypatch):
    """What is compiled while a test runs."""
    found = []

    def backend(graph, inputs):
        found.append(graph)
        return graph

    torch.compiler.reset()
    monkeypatch.setattr(compiled.torch, "compile", partial(torch.compile, backend=backend))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "kept"))
    yield found
    torch.compiler.reset()


def check_same(family, recipe, pictures, parts, folder):
    *_, plain = family.denoise(recipe, parts, pictures, recipe.seed)
    with compiling(parts, folder, pytest.fail):
        *_, state = family.denoise(recipe, parts, pictures, recipe.seed)
    for key, tensor in plain.tensors.items():
        assert torch.equal(state.tensors[key], tensor), key


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in families()]
)
def test_blocks_are_found_and_traced_and_draw_the_same(name, tmp_path, graphs):
    family, recipe, pictures, parts = begun(name, tmp_path / "model")
    check_same(family, recipe, pictures, parts, tmp_path)
    assert 0 < len({type(block) for block in blocks(parts)}) <= len(graphs)


@pytest.mark.parametrize("mode", ["attention-values", "transformer-block"])
@pytest.mark.parametrize(
    "name", ["ltx-video", "wan", *(pytest.param(name, marks=pytest.mark.slow) for name in ("cogvideox", "mochi"))]
)
def test_blocks_that_are_perturbed_in_some_passes_are_so_when_compiled(name, mode, tmp_path, graphs):
    family, recipe, pictures, parts = begun(name, tmp_path / "model", stg=1.0, stg_blocks=(0,), stg_mode=mode)
    check_same(family, recipe, pictures, parts, tmp_path)
    assert graphs
