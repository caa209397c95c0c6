"""Stable Video Diffusion's clips are, bit for bit, those of its diffusers pipeline called by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from praxino.errors import UserError
from praxino.families import Shape
from praxino.families.svd import FAMILY
from praxino.families.svd.variants import SVD, XT
from praxino.request import Request

from .conftest import pil

SHAPE = Shape(1024, 576, 14, 7.0)
TOLD: dict[str, Any] = {"num_frames": 4, "width": 64, "height": 64, "decode_chunk_size": 14}


def drawn(model: Any, clip: np.ndarray, **wish: Any) -> np.ndarray:
    return model.draw("image-to-video", [("frame", clip[:1], 1.0, 0)], **wish)


def test_a_picture_is_set_in_motion(models, clip) -> None:
    model = models("svd")
    picture = pil(clip[:1], (64, 64))[0]
    call = model.by_hand("StableVideoDiffusionPipeline")
    usual = drawn(model, clip)
    assert usual.shape == (4, 64, 64, 3)
    assert np.array_equal(usual, call(image=picture, fps=7, motion_bucket_id=127, noise_aug_strength=0.02, **TOLD))


def test_motion_pace_firmness_and_guidance(models, clip) -> None:
    model = models("svd")
    other = dataclasses.replace(model, variant=dataclasses.replace(model.variant, fps=12.0))
    wish = {"motion_strength": 0.8, "strength": 0.9, "guidance": 2.5}
    call = model.by_hand("StableVideoDiffusionPipeline")
    wanted = call(
        image=pil(clip[:1], (64, 64))[0], fps=12, motion_bucket_id=204, noise_aug_strength=0.1, max_guidance_scale=2.5,
        **TOLD,
    )  # fmt: skip
    assert np.array_equal(drawn(other, clip, **wish), wanted)
    for name in wish:
        assert not np.array_equal(drawn(other, clip, **{key: wish[key] for key in wish if key != name}), wanted)
    assert not np.array_equal(drawn(model, clip, **wish), wanted)


def test_without_guidance(models, clip) -> None:
    model = models("svd")
    call = model.by_hand("StableVideoDiffusionPipeline")
    wanted = call(image=pil(clip[:1], (64, 64))[0], max_guidance_scale=1.0, **TOLD)
    assert np.array_equal(drawn(model, clip, guidance=1.0), wanted)


def test_going_on(models, clip) -> None:
    models("svd").check_going_on("image-to-video", [("frame", clip[:1], 1.0, 0)])


def test_previews_from_the_start(models, clip) -> None:
    model, given = models("svd"), [("frame", clip[:1], 1.0, 0)]
    recipe = model.recipe("image-to-video", given)
    for state in model.follow(recipe, given):
        picture = model.family.preview(recipe, model.parts, state)
        assert picture.shape == (8, 8, 3) and picture.std() > 0


def test_words_are_told_to_change_nothing(models, clip) -> None:
    sampling = FAMILY.plan(Request(prompt="a cat"), SVD, SHAPE, "image-to-video")
    assert "changes nothing" in sampling.notes[0]
    assert FAMILY.plan(Request(), SVD, SHAPE, "image-to-video").notes == ()
    assert np.array_equal(drawn(models("svd"), clip, prompt="a dog"), drawn(models("svd"), clip, prompt=""))


@pytest.mark.parametrize(
    ("wish", "bucket", "noise"),
    [
        ({}, 127, 0.02),
        ({"motion_strength": 0.0, "strength": 1.0}, 0, 0.0),
        ({"motion_strength": 1.0, "strength": 0.98}, 255, 0.02),
        ({"motion_strength": 0.5, "strength": 0.0}, 128, 1.0),
    ],
)
def test_how_wishes_become_its_numbers(wish: dict[str, float], bucket: int, noise: float) -> None:
    options = FAMILY.plan(Request(**wish), SVD, SHAPE, "image-to-video").options
    assert (options["motion_bucket"], options["noise"]) == (bucket, noise)


@pytest.mark.parametrize(
    ("wish", "fps", "said"),
    [
        ({"negative_prompt": "a dog"}, 7.0, "reads no words"),
        ({"camera": ("zoom-in",)}, 7.0, "nothing else for the camera"),
        ({"scheduler": "ddim"}, 7.0, "is sampled with euler"),
        ({"stg": 1.0}, 7.0, "means nothing"),
        ({}, 2.0, "3 to 30 frames"),
        ({}, 60.0, "3 to 30 frames"),
    ],
)
def test_what_cannot_be_is_refused(wish: dict[str, Any], fps: float, said: str) -> None:
    with pytest.raises(UserError, match=said):
        FAMILY.plan(Request(**wish), SVD, dataclasses.replace(SHAPE, fps=fps), "image-to-video")


def test_lengths_tell_the_published_ones_apart(models, tmp_path) -> None:
    from praxino.families._stock.checkpoint import Folder
    from praxino.families._stock.clip_tokenizer import write_json
    from praxino.families.svd.variants import variant_of

    for count, wanted in (14, SVD), (25, XT):
        write_json(tmp_path / "unet" / "config.json", {"num_frames": count})
        assert variant_of(Folder(tmp_path, {})) is wanted
