"""FLUX.2 draws what its diffusers pipelines draw when called by hand, also after references."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import PreTrainedTokenizerFast

from praxino.errors import UserError

SIZE = {"height": 64, "width": 64}
CLASSES = {"flux2-klein-base": "Flux2KleinPipeline", "flux2-dev": "Flux2Pipeline"}


@pytest.fixture(params=CLASSES)
def model(request: pytest.FixtureRequest, models) -> Any:
    return models("flux2", request.param)


def by_hand(model: Any) -> Callable[..., np.ndarray]:
    """[dev] is given the tokenizer of its processor, which by itself would ask for torchvision."""
    if "dev" not in model.variant.name:
        return model.by_hand("Flux2KleinPipeline")
    call = model.by_hand("Flux2Pipeline", tokenizer=None)
    call.pipeline.register_modules(tokenizer=PreTrainedTokenizerFast.from_pretrained(model.folder / "tokenizer"))
    return call


def test_words(model) -> None:
    drawn = model.draw(guidance=3.5)
    assert (
        type(model.parts.base).__name__ == CLASSES["flux2-dev" if "dev" in model.variant.name else "flux2-klein-base"]
    )
    assert np.array_equal(drawn, by_hand(model)(guidance_scale=3.5, **SIZE))
    assert not np.array_equal(drawn, model.draw(guidance=2.0))
    assert not np.array_equal(drawn, model.draw(guidance=3.5, prompt="a blue dog"))


def test_references_follow_the_picture(model, picture, mask) -> None:
    given = [("reference", mask, 1.0), ("image", picture, 1.0)]
    drawn = model.draw("instruction-editing", given, reference=("mask.png",))
    shown = [Image.fromarray(picture), Image.fromarray(mask)]
    assert np.array_equal(drawn, by_hand(model)(image=shown, guidance_scale=3.0, **SIZE))
    assert not np.array_equal(drawn, model.draw("instruction-editing", given[1:]))


def test_a_reference_alone_steers_words(model, picture) -> None:
    drawn = model.draw(given=[("reference", picture, 1.0)], reference=("picture.png",))
    assert np.array_equal(drawn, by_hand(model)(image=[Image.fromarray(picture)], guidance_scale=3.0, **SIZE))


def test_previews_leave_out_the_tokens_of_shown_pictures(model, picture) -> None:
    recipe = model.recipe("instruction-editing", [("image", picture, 1.0)])
    states = model.family.denoise(recipe, model.parts, [picture[None]], 7)
    start, first = next(states), next(states)
    states.close()
    assert start.tensors["latents"].shape[1] == 2 * first.tensors["latents"].shape[1]
    assert model.family.preview(recipe, model.parts, start).shape == (4, 4, 3)


@pytest.mark.parametrize("shown", [False, True])
def test_klein_fills_in_what_a_mask_covers(models, picture, mask, shown: bool) -> None:
    model = models("flux2")
    reference = np.ascontiguousarray(picture[::-1])
    given = [("image", picture, 1.0), ("mask", mask, 1.0), *([("reference", reference, 1.0)] if shown else [])]
    drawn = model.draw("inpainting", given, strength=0.75)
    more: dict[str, Any] = {"image_reference": [Image.fromarray(reference)]} if shown else {}
    wanted = model.by_hand("Flux2KleinInpaintPipeline")(
        image=Image.fromarray(picture), mask_image=Image.fromarray(mask), strength=0.75, guidance_scale=3.0,
        height=64, width=64, **more,
    )  # fmt: skip
    assert np.array_equal(drawn, wanted)


def test_klein_kv_looks_at_pictures_once(models, picture, mask) -> None:
    model = models("flux2", "flux2-klein-9b-kv")
    assert type(model.parts.base).__name__ == "Flux2KleinKVPipeline"
    given = [("image", picture, 1.0), ("reference", mask, 1.0)]
    drawn = model.draw("instruction-editing", given, reference=("mask.png",))
    call = model.by_hand("Flux2KleinKVPipeline")
    assert np.array_equal(drawn, call(image=[Image.fromarray(picture), Image.fromarray(mask)], **SIZE))
    assert np.array_equal(model.draw(), call(**SIZE))
    recipe = model.recipe("instruction-editing", given, reference=("mask.png",), steps=5)
    model.check_going_on(recipe, [picture[None], mask[None]])
    with pytest.raises(UserError, match="is run without"):
        model.recipe(guidance=3.0)
