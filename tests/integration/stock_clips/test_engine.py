"""A wish to a clip through the engine: resolve decides all of it from files, run draws, a checkpoint goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from praxino.engine.resolve import resolve
from praxino.engine.run import run
from praxino.errors import Cancelled
from praxino.events import StepEvent
from praxino.recipe import Recipe
from praxino.request import Request


@pytest.fixture(scope="module")
def files(clip, tmp_path_factory) -> Path:
    """A first and a last frame, and a clip of nine."""
    root = tmp_path_factory.mktemp("wishes")
    frames = [Image.fromarray(frame) for frame in clip[:9]]
    frames[0].save(root / "first.png")
    frames[-1].save(root / "last.png")
    frames[0].save(root / "clip.webp", save_all=True, append_images=frames[1:], lossless=True, duration=100)
    return root


def recipe(model: Path, **wish: Any) -> Recipe:
    return resolve(Request(**{"prompt": "a red cat", "model": str(model), "seed": 3, **wish})).recipe


def draw(made: Recipe, **more: Any) -> np.ndarray:
    (drawn,) = run(made, lambda event: None, **more)
    assert drawn.shape == (made.num_frames, made.height, made.width, 3)
    return drawn


def test_first_and_last_frames_out_of_files(models, files, tmp_path) -> None:
    model = models("easyanimate", "easyanimate-5.1-inpaint").folder
    ends = {"first": str(files / "first.png"), "last": str(files / "last.png")}
    made = recipe(model, **ends, size="64x48")
    assert made.task == "image-to-video"
    assert [(condition.role, condition.frame) for condition in made.conditions] == [("frame", 0), ("frame", 4)]
    drawn = draw(made)
    assert not np.array_equal(draw(recipe(model, first=ends["first"], size="64x48")), drawn)

    def stop(event: StepEvent) -> None:
        if event.stage == "denoise" and event.step == 2:
            raise Cancelled

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRAXINO_CHECKPOINT_SECONDS", "0")
        with pytest.raises(Cancelled):
            run(made, stop, checkpoint=tmp_path)
    steps = []
    (resumed,) = run(made, lambda event: steps.append((event.stage, event.step)), checkpoint=tmp_path)
    assert np.array_equal(resumed, drawn)
    assert ("denoise", 1) not in steps


def test_a_clip_out_of_a_file_is_changed_and_followed(models, files) -> None:
    clip = str(files / "clip.webp")
    changed = recipe(models("easyanimate", "easyanimate-5.1-inpaint").folder, video=clip, strength=0.7, size="64x48")
    assert (changed.task, changed.steps, changed.options["levels"]) == ("video-to-video", 2, 3)
    draw(changed)
    followed = recipe(models("easyanimate", "easyanimate-5.1-control").folder, control=(f"canny={clip}",), size="64x48")
    assert [condition.role for condition in followed.conditions] == ["annotate:canny"]
    draw(followed)


def test_an_adapter_is_laid_over_the_base_that_is_named(folders) -> None:
    wish = {"frames": 2, "steps": 1, "size": "256x256"}
    made = [recipe(folders("adapter-v2"), spatial_base=str(folders(base)), **wish) for base in ("base", "base1")]
    assert [companion.role for companion in made[0].companions] == ["spatial-base"]
    assert made[0].companions[0].sha256 != made[1].companions[0].sha256
    assert not np.array_equal(draw(made[0]), draw(made[1]))


def test_a_picture_decides_the_length_and_motion_of_svd(models, files) -> None:
    made = recipe(models("svd").folder, image=str(files / "first.png"), motion_strength=0.2, size="64x64")
    assert made.options["motion_bucket"] == 51
    draw(made)
