"""Checkpoints around Stable Diffusion with a pipeline of their own: bit for bit as it draws when called by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import DPTImageProcessorPil

from praxino.engine.resolve import resolve
from praxino.engine.run import run
from praxino.errors import UserError
from praxino.families import Shape
from praxino.families.stable_diffusion.others import ALONE, X2_UPSCALER, X4_UPSCALER
from praxino.request import Request

NAMES = {variant.name: kind for kind, variant in ALONE.items()}
WISHES: dict[str, dict[str, Any]] = {
    "sd-x4-upscaler": {"task": "image-to-image", "role": "image"},
    "sd-x2-latent-upscaler": {"task": "image-to-image", "role": "image"},
    "sd-image-variations": {"task": "text-to-image", "role": "reference", "reference": ("x.png",), "prompt": ""},
    "sd-2.1-unclip": {"task": "text-to-image", "role": "reference", "reference": ("x.png",)},
    "sd-2-depth": {"task": "image-to-image", "role": "image", "strength": 0.5},
}
BY_HAND: dict[str, dict[str, Any]] = {
    "sd-x4-upscaler": {"guidance_scale": 9.0},
    "sd-x2-latent-upscaler": {"guidance_scale": 0},
    "sd-image-variations": {"guidance_scale": 7.5, "prompt": None, "height": 64, "width": 64},
    "sd-2.1-unclip": {"guidance_scale": 10.0, "height": 64, "width": 64},
    "sd-2-depth": {"guidance_scale": 7.5, "strength": 0.5},
}


def wish(name: str, picture: np.ndarray) -> tuple[str, list[Any], dict[str, Any]]:
    told = dict(WISHES[name])
    task, role = told.pop("task"), told.pop("role")
    return task, [(role, picture, told.get("strength", 1.0))], told


def by_hand(model: Any, name: str) -> Any:
    if name != "sd-2-depth":
        return model.by_hand(NAMES[name])
    call = model.by_hand(NAMES[name], feature_extractor=None)
    reader = DPTImageProcessorPil.from_pretrained(model.folder / "feature_extractor")
    call.pipeline.register_modules(feature_extractor=reader)
    return call


@pytest.mark.filterwarnings("ignore:In CPU autocast:UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_a_pipeline_of_its_own(models, picture, name: str) -> None:
    model = models("stable-diffusion", name)
    task, given, told = wish(name, picture)
    drawn = model.draw(task, given, **told)
    call = by_hand(model, name)
    shown = Image.fromarray(picture)
    if name == "sd-x4-upscaler":
        shown = shown.resize((16, 16), Image.Resampling.LANCZOS)
    assert np.array_equal(drawn, call(image=shown, **BY_HAND[name]))
    assert not np.array_equal(drawn, model.draw(task, [(given[0][0], picture[::-1].copy(), 1.0)], **told))
    assert len(drawn) == model.variant.width * int(model.variant.upscale.removesuffix("x") or 1)


@pytest.mark.parametrize("name", NAMES)
def test_going_on(models, picture, name: str) -> None:
    model = models("stable-diffusion", name)
    task, given, told = wish(name, picture)
    recipe = model.recipe(task, given, **{**told, "steps": 6})
    model.check_going_on(recipe, [picture[None]])


def test_going_on_with_a_scheduler_that_warms_up(models, picture) -> None:
    model = models("stable-diffusion", "sd-image-variations")
    task, given, told = wish("sd-image-variations", picture)
    for scheduler in ("pndm", "heun"):
        model.check_going_on(model.recipe(task, given, **told, steps=3, scheduler=scheduler), [picture[None]])


def test_previews_of_an_upscaler_are_of_what_is_coming(models, picture) -> None:
    model = models("stable-diffusion", "sd-x4-upscaler")
    recipe = model.recipe("image-to-image", [("image", picture, 1.0)])
    state = list(model.family.denoise(recipe, model.parts, [picture[None]], 7))[-1]
    assert model.family.preview(recipe, model.parts, state).shape == (16, 16, 3)


@pytest.mark.parametrize("variant", [X4_UPSCALER, X2_UPSCALER])
@pytest.mark.parametrize("upscale", [(), (192, 192)])
def test_an_upscaler_has_one_factor(models, variant, upscale: tuple[int, ...]) -> None:
    family = models("stable-diffusion").family
    with pytest.raises(UserError, match="times as wide"):
        family.plan(Request(image="x.png"), variant, Shape(64, 64, 1, 1.0, upscale), "image-to-image")


@pytest.mark.parametrize(
    ("name", "told", "said"),
    [
        ("sd-image-variations", {"negative_prompt": "a cat", "reference": ("x.png",)}, "reads no words"),
        ("sd-image-variations", {"reference": ("x.png", "y.png")}, "reads one"),
        ("sd-2.1-unclip", {"reference": ("x.png:0.5",)}, "cannot weigh"),
        ("sd-2.1-unclip", {"prompt": "a cat"}, "add --reference FILE"),
        ("sd-x2-latent-upscaler", {"scheduler": "ddim"}, "sampled with euler"),
        ("sd-x4-upscaler", {"image": "x.png", "strength": 0.5}, "draws all of a picture anew"),
        ("instruct-pix2pix", {"image": "x.png", "strength": 0.5}, "draws all of a picture anew"),
    ],
)
def test_what_they_cannot_is_refused(models, name: str, told: dict[str, Any], said: str) -> None:
    family = models("stable-diffusion").family
    variant = family.variants[name]
    factor = int(variant.upscale.removesuffix("x") or 0)
    shape = Shape(64, 64, 1, 1.0, (64 * factor, 64 * factor) if factor else ())
    with pytest.raises(UserError, match=said):
        family.plan(Request(**told), variant, shape, variant.tasks[0])


def test_words_that_nobody_reads_are_told(models) -> None:
    family = models("stable-diffusion").family
    wish, upscaled = Request(prompt="a cat", reference=("x.png",)), Shape(64, 64, 1, 1.0, (128, 128))
    sampling = family.plan(wish, family.variants["sd-image-variations"], Shape(64, 64, 1, 1.0), "text-to-image")
    assert "reads no words" in sampling.notes[0]
    for guidance, notes in ((None, 1), (5.0, 0)):
        sampling = family.plan(Request(prompt="a cat", guidance=guidance), X2_UPSCALER, upscaled, "image-to-image")
        assert len(sampling.notes) == notes


def test_an_upscaler_through_the_engine(models, picture, tmp_path) -> None:
    model = models("stable-diffusion", "sd-x4-upscaler")
    Image.fromarray(picture[:16, :24].copy()).save(tmp_path / "small.png")
    wish = Request(prompt="a red cat", model=str(model.folder), image=str(tmp_path / "small.png"), seed=3, steps=2)
    recipe = resolve(wish).recipe
    assert (recipe.width, recipe.height, recipe.size) == (24, 16, (96, 64))
    (drawn,) = run(recipe, lambda event: None)
    assert drawn.shape == (1, 64, 96, 3)
    Image.new("RGB", (1032, 64)).save(tmp_path / "large.png")
    with pytest.raises(UserError, match=r"1032x64 pixels.*at most 1024"):
        resolve(dataclasses.replace(wish, image=str(tmp_path / "large.png")))
    assert resolve(dataclasses.replace(wish, image=str(tmp_path / "large.png"), size="64x64")).recipe.size == (256, 256)
