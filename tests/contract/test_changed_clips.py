"""A clip that is changed keeps its own time, whatever model changes it: resolved on each family's miniature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from praxino import media
from praxino.engine.machine import Machine
from praxino.engine.resolve import resolve
from praxino.families import Variant, families
from praxino.recipe import Encoding
from praxino.request import Request

FPS, COUNT = 20.0, 40


def changes_clips(variant: Variant) -> bool:
    return "video-to-video" in variant.tasks and "extend" not in variant.steering and "video-mask" not in variant.needs


NAMES = [name for name, one in families().items() if any(map(changes_clips, one.variants.values()))]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frame i is a grey of 5 i, and a corner that makes each frame another."""
    path = tmp_path_factory.mktemp("clips") / "clip.png"
    frames = np.zeros((COUNT, 48, 64, 3), np.uint8) + (np.arange(COUNT, dtype=np.uint8) * 5)[:, None, None, None]
    media.save([frames], path, Encoding("png", 0, "good", 90, "none", False, False), FPS, None)
    return path


@pytest.fixture(scope="module", params=NAMES)
def miniature(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Variant]:
    family = families()[request.param]
    home = tmp_path_factory.mktemp(request.param)
    able = [name for name, variant in family.variants.items() if changes_clips(variant)]
    for number, like in enumerate((None, *able)):
        family.miniature(home / str(number), *([] if like is None else [like]))
        variant = family.identify(home / str(number))
        if variant is not None and changes_clips(variant):
            return home / str(number), variant
    raise AssertionError(f"no miniature of {request.param} changes clips")


def given(folder: Path, clip: Path, **wish: Any) -> tuple[Any, list[int], str]:
    """The recipe, which of the clip's frames it is given, and what was told."""
    asked = Request("a red cat", model=str(folder), video=str(clip), steps=2, seed=1, **wish)
    resolution = resolve(asked, machine=Machine("cpu"))
    (condition,) = [one for one in resolution.recipe.conditions if one.role == "video"]
    frames = media.load(condition.media)
    return resolution.recipe, (frames[:, 0, 0, 0] // 5).tolist(), " ".join(resolution.notes)


def test_at_half_the_rate_every_other_frame_is_changed(miniature, clip):
    folder, variant = miniature
    recipe, places, told = given(folder, clip, fps=FPS / 2, frames=variant.num_frames)
    assert len(places) == recipe.drawn.span >= recipe.num_frames == variant.num_frames
    assert places == [min(2 * index, COUNT - 1) for index in range(len(places))]
    assert "taken at 10 frames per second instead of 20" in told


def test_at_twice_the_rate_each_frame_is_changed_twice(miniature, clip):
    folder, variant = miniature
    recipe, places, told = given(folder, clip, fps=2 * FPS, frames=variant.num_frames)
    assert places == [index // 2 for index in range(recipe.drawn.span)]
    assert "instead of 20" in told


def test_without_a_word_its_length_and_rate_are_kept(miniature, clip):
    folder, _ = miniature
    recipe, places, told = given(folder, clip)
    assert recipe.fps == FPS and places == [min(index, COUNT - 1) for index in range(recipe.drawn.span)]
    assert recipe.num_frames == min(COUNT, recipe.drawn.span)
    assert ("the first" in told) is (recipe.num_frames < COUNT)
