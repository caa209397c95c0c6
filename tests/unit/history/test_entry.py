import dataclasses
import hashlib

import pytest

from praxino.history import digest, drawn, found
from praxino.recipe import Encoding, GuidancePhase, Recipe

RECIPE = Recipe(
    **dict(family="toy", variant="toy", model="toy", revision="0", task="text-to-image", prompt="a cat"),
    **dict(caption="a cat", negative_prompt="", width=64, height=64, num_frames=1, fps=1.0, steps=1, guidance=1.0),
    **dict(guidance_phases=(GuidancePhase(1.0, 1.0),), cfg_star=False, stg_mode="none", seed=5, n=1),
    **dict(scheduler="euler", schedule="uniform", sigmas=(1.0,), dtype="float32", conditions=(), loras=(), options={}),
    encoding=Encoding("png", 0, "good", 90, "none", False, False),
)


@pytest.fixture
def files(tmp_path):
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(name.encode())
    return [tmp_path / "1.png", tmp_path / "2.png"]


def test_each_sample_has_its_own_identity(files):
    recipe = dataclasses.replace(RECIPE, n=2)
    first, second = drawn(recipe, files, parent=7)
    assert (first.identity, second.identity) == (recipe.single(0).identity(), recipe.single(1).identity())
    assert first.sha256 == hashlib.sha256(b"1.png").hexdigest()
    assert (first.parent, first.prompt, first.model, first.task) == (7, "a cat", "toy", "text-to-image")
    (grid,) = drawn(recipe, files[:1])
    assert grid.identity == recipe.identity()


def test_a_file_from_elsewhere_is_its_bytes(files):
    entry = found(files[0], None)
    assert entry.identity == entry.sha256 == digest(files[0])
    assert (entry.prompt, entry.model, entry.parent) == ("", "", None)
    assert found(files[0], RECIPE).identity == RECIPE.identity()


def test_a_models_folder_is_found_from_anywhere(files, tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    assert found(files[0], dataclasses.replace(RECIPE, model="model")).model == str(tmp_path / "model")


def test_a_folder_is_all_its_files(tmp_path, files):
    before = digest(tmp_path)
    assert before != digest(files[0])
    files[1].rename(tmp_path / "3.png")
    assert digest(tmp_path) != before


def test_the_parent_decides_no_pixels():
    child = dataclasses.replace(RECIPE, parent="ab" * 32)
    assert child.identity() == RECIPE.identity()
    assert Recipe.from_json(child.to_json()) == child
    old = RECIPE.to_json()
    del old["parent"]
    assert Recipe.from_json(old) == RECIPE
