"""What every family promises, over all families and tasks, on miniatures."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from praxino.engine.geometry import resolve_upscale
from praxino.errors import ModelError, UserError
from praxino.families import DrawsSound, Family, LoopState, Sampling, Shape, Variant, families
from praxino.plain import from_plain, to_plain
from praxino.recipe import Condition, Encoding, Media, Recipe
from praxino.request import Request

GIVEN = {
    "text-to-video": (),
    "text-to-image": (),
    "image-to-video": ("frame",),
    "video-to-video": ("frame",),
    "image-to-image": ("image",),
    "instruction-editing": ("image",),
    "inpainting": ("image", "mask"),
    "outpainting": ("image", "mask"),
}
"""The roles of what each task is given."""
DECIDED = [field.name for field in dataclasses.fields(Sampling) if field.name != "notes"]
"""The fields of a Recipe that a family's plan decides."""
PUBLISHED = [(family, variant) for family in families().values() for variant in family.variants.values()]
PAIRS = [
    (name, task, None)
    for name, family in families().items()
    for task in sorted({task for variant in family.variants.values() for task in variant.tasks})
]
OWN = {
    (family.name, task, pipeline): variant.name
    for family, variant in reversed(PUBLISHED)
    for task, pipeline in variant.options.get("pipelines", {}).items()
    if variant.grid.max_frames == 1
    and pipeline
    != "QwenImageEditPlusPipeline"  # shows its VAE large pictures, as QwenImageEditPipeline does, which is run
    and pipeline not in getattr(family, "pipelines", {}).values()
    and variant is not next(other for other in family.variants.values() if task in other.tasks)
}
"""Checkpoints that draw pictures by a pipeline of their own."""
ROWS = PAIRS + [(name, task, like) for (name, task, _), like in OWN.items()]


MOST_BYTES = {"hunyuan-video-1.5": 20_000_000}
"""Of a miniature, where it cannot be smaller: diffusers fixes a layer of 2048 x 2048 in that transformer."""


@pytest.fixture(scope="session")
def miniatures(tmp_path_factory: pytest.TempPathFactory):
    @cache
    def made(name: str, like: str | None = None) -> Path:
        folder = tmp_path_factory.mktemp(name) / "miniature"
        families()[name].miniature(folder, *([] if like is None else [like]))
        return folder

    return made


@pytest.fixture(scope="session")
def loaded(miniatures):
    @cache
    def read(name: str, like: str | None) -> tuple[Family, Variant, Any]:
        family, folder = families()[name], miniatures(*([name] if like is None else [name, like]))
        variant = family.identify(folder)
        assert variant is not None
        return family, variant, family.load(folder, variant, "float32", "cpu")

    def parts(name: str, task: str | None = None, like: str | None = None) -> tuple[Family, Variant, Any]:
        """The miniature of a variant; else the family's, or that of the first which does a task if it does not."""
        if like is not None:
            return read(name, like)
        plain = read(name, None)
        if task is None or task in plain[1].tasks:
            return plain
        return read(name, next(other.name for other in plain[0].variants.values() if task in other.tasks))

    return parts


def roles(task: str, variant: Variant) -> tuple[str, ...]:
    driven = ("motion",) if "motion-template" in variant.needs else ()
    if task == "video-to-video" and "video-mask" in variant.needs:
        return ("video", "mask", "reference", *driven)
    if task == "text-to-video" and driven:
        return ("reference", *driven)
    given = ("video",) if task == "video-to-video" and "extend" not in variant.steering else GIVEN[task]
    return (*given, *driven, *(("reference",) if "reference" in variant.needs else ()))


def needed(variant: Variant, task: str = "") -> dict[str, Any]:
    """The fields of a Request for what a variant cannot draw without. No file is read."""
    given: dict[str, Any] = {}
    for steering in variant.needs:
        name, _, kind = steering.partition(":")
        if name == "last-frame":
            given |= {"first": "picture.png", "last": "picture.png"}
        elif name == "motion-template":
            given |= {
                "motion_template": "poses.mp4",
                **({"reference": ("who.png",)} if task == "text-to-video" else {}),
            }
        elif name == "video-mask":
            clip = {"video": "clip.mp4", "mask": "mask.png", "reference": ("who.png",)}
            given |= clip if task == "video-to-video" else {}
        else:
            given[name] = (f"{kind}-map=map.png" if kind else "picture.png",)
    return given


def pictures(task: str, variant: Variant) -> list[np.ndarray]:
    """A still, a mask that covers its right half, or a clip of the variant's length, or of as many frames as go on."""
    rng = np.random.default_rng(1)
    given = []
    for role in roles(task, variant):
        lengths = {"video": variant.num_frames, "frame": variant.grid.frame_step + 1}
        count = lengths.get(role, 1) if "video-to" in task else 1
        frames = rng.integers(0, 256, (count, 48, 80, 3), dtype=np.uint8)
        if role == "mask":
            frames[:] = 0
            frames[:, :, 40:] = 255
        given.append(frames)
    return given


def recipe_for(family: Family, variant: Variant, task: str, **wish: Any) -> Recipe:
    size = variant.width, variant.height, variant.num_frames
    request = Request(prompt="a red cat running", **needed(variant, task), **wish)
    sampling = family.plan(request, variant, shape_of(variant), task)
    media = Media(source="given", sha256="", data="")
    return Recipe(
        family=family.name, variant=variant.name, model="miniature", revision="", task=task,
        prompt="a red cat running", caption="a red cat running",
        width=size[0], height=size[1], num_frames=size[2], fps=variant.fps,
        guidance=max(phase.scale for phase in sampling.guidance_phases), seed=3, n=1, dtype="float32",
        conditions=tuple(Condition(0, 1.0, media, role) for role in roles(task, variant)), loras=(),
        encoding=Encoding("gif", 0, "good", 90, "none", False, False),
        upscale=shape_of(variant).upscale, **{name: getattr(sampling, name) for name in DECIDED},
    )  # fmt: skip


def shape_of(variant: Variant) -> Shape:
    upscale = resolve_upscale(variant.upscale or None, (variant.width, variant.height), variant.grid)
    return Shape(variant.width, variant.height, variant.num_frames, variant.fps, upscale)


def last(states: Any) -> LoopState:
    *_, state = states
    return state


@pytest.mark.parametrize(("name", "task", "like"), ROWS)
def test_a_miniature_is_drawn_from_words_to_frames(loaded, name: str, task: str, like: str | None) -> None:
    family, variant, parts = loaded(name, task, like)
    recipe = recipe_for(family, variant, task)
    states = list(family.denoise(recipe, parts, pictures(task, variant), recipe.seed))
    assert [state.step for state in states] == list(range(recipe.steps + 1))
    frames = family.decode(recipe, parts, states[-1])
    assert frames.shape == (recipe.num_frames, *recipe.size[::-1], 3)
    assert frames.dtype == np.uint8
    assert frames.std() > 0
    again = last(family.denoise(recipe, parts, pictures(task, variant), recipe.seed))
    assert np.array_equal(frames, family.decode(recipe, parts, again))
    other = last(family.denoise(recipe, parts, pictures(task, variant), recipe.seed + 1))
    assert not np.array_equal(frames, family.decode(recipe, parts, other))


@pytest.mark.parametrize("name", families())
def test_previews_are_small_pictures_at_every_step(loaded, name: str) -> None:
    family, variant, parts = loaded(name)
    recipe = recipe_for(family, variant, variant.tasks[0])
    for state in family.denoise(recipe, parts, pictures(recipe.task, variant), recipe.seed):
        picture = family.preview(recipe, parts, state)
        assert picture.dtype == np.uint8
        assert picture.ndim == 3 and picture.shape[2] == 3
        assert picture.shape[0] <= recipe.height and picture.shape[1] <= recipe.width


@pytest.mark.parametrize("name", families())
def test_a_recipes_sampling_is_plain_json(loaded, name: str) -> None:
    family, variant, _ = loaded(name)
    recipe = recipe_for(family, variant, variant.tasks[0])
    assert from_plain(Recipe, to_plain(recipe)) == recipe
    assert len(recipe.sigmas) in (0, recipe.steps)


@pytest.mark.parametrize("name", families())
def test_a_miniature_is_small_and_always_the_same(miniatures, name: str, tmp_path: Path) -> None:
    folder = miniatures(name)
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < MOST_BYTES.get(name, 3_000_000)
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
    assert (variant.num_frames - 1) % grid.frame_step == 0
    assert variant.num_frames <= grid.max_frames
    starts = [phase.start for phase in variant.guidance_phases]
    assert starts[0] >= 1 and starts == sorted(set(starts), reverse=True)
    request = Request(prompt="a cat", **needed(variant))
    sampling = family.plan(request, variant, shape_of(variant), variant.tasks[0])
    assert sampling.steps >= 1 and len(sampling.sigmas) in (0, sampling.steps)
    assert all(0 < sigma <= 1 for sigma in sampling.sigmas)
    rises = sum(after >= before for before, after in itertools.pairwise(sampling.sigmas))
    assert rises <= ("upscale" in variant.steering), "only a second stage begins at a higher noise level again"


@pytest.mark.parametrize(("family", "variant"), PUBLISHED, ids=lambda value: getattr(value, "name", ""))
def test_a_variant_with_sound_is_of_a_family_that_draws_it(family: Family, variant: Variant) -> None:
    assert "sound" not in variant.steering or isinstance(family, DrawsSound)


@pytest.mark.parametrize(("family", "variant"), PUBLISHED, ids=lambda value: getattr(value, "name", ""))
def test_noise_levels_out_of_order_are_refused(family: Family, variant: Variant) -> None:
    with pytest.raises(UserError, match="sigmas"):
        family.plan(
            Request(prompt="a cat", sigmas=(0.5, 0.9), **needed(variant)), variant, shape_of(variant), variant.tasks[0]
        )


def test_families_are_found_identified_and_planned_without_torch(miniatures) -> None:
    folders = {
        name: (str(miniatures(name)), needed(families()[name].identify(miniatures(name)))) for name in families()
    }
    code = f"""
import sys
from pathlib import Path
from praxino.families import Shape, families
from praxino.request import Request
for name, (folder, wish) in {folders!r}.items():
    family = families()[name]
    variant = family.identify(Path(folder))
    shape = Shape(variant.width, variant.height, variant.num_frames, variant.fps)
    family.plan(Request(prompt="a cat", **wish), variant, shape, variant.tasks[0])
loaded = {{"torch", "diffusers", "transformers"}} & set(sys.modules)
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True)
