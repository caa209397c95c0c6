"""What every family promises, over all families and tasks, on miniatures."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from praxino.errors import ModelError, UserError
from praxino.families import Family, LoopState, Variant, families
from praxino.plain import from_plain, to_plain
from praxino.recipe import Condition, Encoding, Media, Recipe
from praxino.request import Request

FRAMES = {"text-to-video": (), "image-to-video": (0,), "video-to-video": (0,)}
PUBLISHED = [(family, variant) for family in families().values() for variant in family.variants.values()]
PAIRS = [
    (name, task)
    for name, family in families().items()
    for task in sorted({task for variant in family.variants.values() for task in variant.tasks})
]


@pytest.fixture(scope="session")
def miniatures(tmp_path_factory: pytest.TempPathFactory):
    @cache
    def made(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name) / "miniature"
        families()[name].miniature(folder)
        return folder

    return made


@pytest.fixture(scope="session")
def loaded(miniatures):
    @cache
    def parts(name: str) -> tuple[Family, Variant, Any]:
        family = families()[name]
        variant = family.identify(miniatures(name))
        assert variant is not None
        return family, variant, family.load(miniatures(name), variant, "float32", "cpu")

    return parts


def pictures(task: str, variant: Variant) -> list[np.ndarray]:
    """A still for image-to-video, as many frames as the stride allows for video-to-video."""
    rng = np.random.default_rng(1)
    count = variant.grid.frame_step + 1 if task == "video-to-video" else 1
    return [rng.integers(0, 256, (count, 48, 80, 3), dtype=np.uint8) for _ in FRAMES[task]]


def recipe_for(family: Family, variant: Variant, task: str, **wish: Any) -> Recipe:
    size = variant.width, variant.height, variant.num_frames
    sampling = family.plan(Request(prompt="a red cat running", **wish), variant, *size)
    media = Media(source="given", sha256="", data="")
    return Recipe(
        family=family.name, variant=variant.name, model="miniature", revision="", task=task,
        prompt="a red cat running", caption="a red cat running",
        width=size[0], height=size[1], num_frames=size[2], fps=variant.fps,
        guidance=max(phase.scale for phase in sampling.guidance_phases), seed=3, n=1, dtype="float32",
        conditions=tuple(Condition(frame, 1.0, media) for frame in FRAMES[task]), loras=(),
        encoding=Encoding("gif", 0, "good", 90, "none", False, False),
        **{field.name: getattr(sampling, field.name) for field in dataclasses.fields(sampling)},
    )  # fmt: skip


def last(states: Any) -> LoopState:
    *_, state = states
    return state


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_a_miniature_is_drawn_from_words_to_frames(loaded, name: str, task: str) -> None:
    family, variant, parts = loaded(name)
    recipe = recipe_for(family, variant, task)
    states = list(family.denoise(recipe, parts, pictures(task, variant), recipe.seed))
    assert [state.step for state in states] == list(range(recipe.steps + 1))
    frames = family.decode(recipe, parts, states[-1])
    assert frames.shape == (recipe.num_frames, recipe.height, recipe.width, 3)
    assert frames.dtype == np.uint8
    assert frames.std() > 0
    again = last(family.denoise(recipe, parts, pictures(task, variant), recipe.seed))
    assert np.array_equal(frames, family.decode(recipe, parts, again))
    other = last(family.denoise(recipe, parts, pictures(task, variant), recipe.seed + 1))
    assert not np.array_equal(frames, family.decode(recipe, parts, other))


@pytest.mark.parametrize("name", families())
def test_previews_are_small_pictures_at_every_step(loaded, name: str) -> None:
    family, variant, parts = loaded(name)
    recipe = recipe_for(family, variant, "text-to-video")
    for state in family.denoise(recipe, parts, [], recipe.seed):
        picture = family.preview(recipe, parts, state)
        assert picture.dtype == np.uint8
        assert picture.ndim == 3 and picture.shape[2] == 3
        assert picture.shape[0] <= recipe.height and picture.shape[1] <= recipe.width


@pytest.mark.parametrize("name", families())
def test_a_recipes_sampling_is_plain_json(loaded, name: str) -> None:
    family, variant, _ = loaded(name)
    recipe = recipe_for(family, variant, "text-to-video")
    assert from_plain(Recipe, to_plain(recipe)) == recipe
    assert recipe.steps == len(recipe.sigmas)


@pytest.mark.parametrize("name", families())
def test_a_miniature_is_small_and_always_the_same(miniatures, name: str, tmp_path: Path) -> None:
    folder = miniatures(name)
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 3_000_000
    torch.randn(3)
    families()[name].miniature(tmp_path)
    for file in sorted(folder.rglob("*.safetensors")):
        assert file.read_bytes() == (tmp_path / file.relative_to(folder)).read_bytes()


@pytest.mark.parametrize("name", families())
def test_damaged_weights_are_a_model_error(miniatures, loaded, name: str, tmp_path: Path) -> None:
    family, variant, _ = loaded(name)
    for file in miniatures(name).rglob("*"):
        target = tmp_path / file.relative_to(miniatures(name))
        if file.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    largest = max(tmp_path.rglob("*.safetensors"), key=lambda file: file.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="damaged"):
        family.load(tmp_path, variant, "float32", "cpu")


@pytest.mark.parametrize("name", families())
def test_an_empty_folder_is_no_checkpoint(name: str, tmp_path: Path) -> None:
    assert families()[name].identify(tmp_path) is None
    (tmp_path / "notes.safetensors").write_text("not weights")
    assert families()[name].identify(tmp_path) is None
    assert families()[name].identify(tmp_path / "notes.safetensors") is None


@pytest.mark.parametrize(("family", "variant"), PUBLISHED, ids=lambda value: getattr(value, "name", ""))
def test_published_data_is_sane(family: Family, variant: Variant) -> None:
    grid = variant.grid
    assert family.variants[variant.name] is variant
    assert variant.licence and variant.title and "\n" not in variant.licence
    assert variant.source.count("/") >= 1 or not variant.source
    for side in (variant.width, variant.height):
        assert side % grid.size_multiple == 0
        assert grid.min_side <= side <= grid.max_side
    assert variant.num_frames % grid.frame_step == 1
    assert variant.num_frames <= grid.max_frames
    starts = [phase.start for phase in variant.guidance_phases]
    assert starts[0] >= 1 and starts == sorted(set(starts), reverse=True)
    sampling = family.plan(Request(prompt="a cat"), variant, variant.width, variant.height, variant.num_frames)
    assert sampling.steps == len(sampling.sigmas) >= 1
    assert all(0 < sigma <= 1 for sigma in sampling.sigmas)
    assert list(sampling.sigmas) == sorted(set(sampling.sigmas), reverse=True)


@pytest.mark.parametrize(("family", "variant"), PUBLISHED, ids=lambda value: getattr(value, "name", ""))
def test_noise_levels_out_of_order_are_refused(family: Family, variant: Variant) -> None:
    with pytest.raises(UserError, match="fall"):
        family.plan(Request(prompt="a cat", sigmas=(0.5, 0.9)), variant, variant.width, variant.height, 9)


def test_families_are_found_identified_and_planned_without_torch(miniatures) -> None:
    folders = {name: str(miniatures(name)) for name in families()}
    code = f"""
import sys
from pathlib import Path
from praxino.families import families
from praxino.request import Request
for name, folder in {folders!r}.items():
    family = families()[name]
    variant = family.identify(Path(folder))
    family.plan(Request(prompt="a cat"), variant, variant.width, variant.height, variant.num_frames)
loaded = {{"torch", "diffusers", "transformers"}} & set(sys.modules)
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True)
