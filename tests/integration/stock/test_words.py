"""New words by textual inversion, prompts that are longer than CLIP reads, and words with weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from praxino.errors import ModelError, UserError
from praxino.families._stock import prompt
from praxino.families._stock.arguments import Given

KINDS = {"sdxl": "StableDiffusionXLPipeline", "stable-diffusion": "StableDiffusionPipeline"}


def vectors(model: Any, count: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    base = model.parts.base
    widths = {"clip_l": base.text_encoder.config.hidden_size}
    if "text_encoder_2" in base.components:
        widths["clip_g"] = base.text_encoder_2.config.hidden_size
    return {name: torch.randn(count, width) for name, width in widths.items()}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("count", [1, 3])
def test_a_new_word_is_learned_and_forgotten(models, tmp_path, name: str, count: int) -> None:
    model, file = models(name), tmp_path / "word.safetensors"
    learned = vectors(model, count)
    save_file(learned if len(learned) > 1 else {"<dot>": learned["clip_l"]}, file)
    wish: dict[str, Any] = {"prompt": "a <dot> cat", "embedding": (f"{file}:<dot>",)}
    before = model.draw(prompt="a <dot> cat")
    drawn = model.draw(**wish)
    call: Any = model.by_hand(KINDS[name])
    pipeline = call.pipeline
    for key, encoder, tokenizer in (
        ("clip_l", "text_encoder", "tokenizer"),
        ("clip_g", "text_encoder_2", "tokenizer_2"),
    ):
        if key in learned:
            pipeline.load_textual_inversion(
                learned[key],
                token="<dot>",
                text_encoder=getattr(pipeline, encoder),
                tokenizer=getattr(pipeline, tokenizer),
            )
    guidance = model.variant.guidance_phases[0].scale
    assert np.array_equal(drawn, call(prompt="a <dot> cat", height=64, width=64, guidance_scale=guidance))
    assert not np.array_equal(drawn, before)
    assert np.array_equal(model.draw(prompt="a <dot> cat"), before)


def test_vectors_of_another_model_are_refused(models, tmp_path) -> None:
    model, file = models("sdxl"), tmp_path / "word.safetensors"
    before = model.draw()
    save_file({"<dot>": torch.zeros(1, 768)}, file)
    with pytest.raises(ModelError, match=r"holds <dot> \(1, 768\)"):
        model.draw(prompt="a <dot> cat", embedding=(f"{file}:<dot>",))
    assert np.array_equal(model.draw(), before)


def test_a_word_that_no_prompt_has_is_refused(models) -> None:
    with pytest.raises(UserError, match="no prompt has its word 'dot'"):
        models("sdxl").recipe(embedding=("dot.safetensors",))


def embedded(model: Any, text: str, **wish: Any) -> dict[str, torch.Tensor]:
    recipe = model.recipe(prompt=text, **wish)
    return prompt.arguments(Given(recipe, model.parts, model.parts.base, []))


LONG = (
    "a red cat sits on the mat in the hall, and it is a big one. a blue dog runs, it is small. a bird flies by the sun"
)
"""Two pieces: the miniature's tokenizer spells, so that a letter is a token."""


def test_a_prompt_that_fits_is_left_to_the_pipeline(models) -> None:
    assert embedded(models("sdxl"), "a red (orange) cat, C++") == {}


@pytest.mark.parametrize("name", KINDS)
def test_a_long_prompt_is_read_in_pieces(models, name: str) -> None:
    """Each piece is what the encoder makes of it; the first word of the second piece changes nothing before it."""
    model = models(name)
    found = embedded(model, LONG)
    width = found["prompt_embeds"].shape[2]
    assert found["prompt_embeds"].shape == found["negative_prompt_embeds"].shape == (1, 154, width)
    other = embedded(model, LONG.replace("bird", "lamp"))
    assert torch.equal(found["prompt_embeds"][:, :77], other["prompt_embeds"][:, :77])
    assert not torch.equal(found["prompt_embeds"][:, 77:], other["prompt_embeds"][:, 77:])
    drawn = model.draw(prompt=LONG)
    assert not np.array_equal(drawn, model.draw(prompt=LONG.replace("bird", "lamp")))


@pytest.mark.parametrize("name", KINDS)
def test_a_piece_is_encoded_as_the_pipeline_encodes_it(models, name: str) -> None:
    model = models(name)
    base = model.parts.base
    first = "a red cat sits on the mat in the hall, and it is a big one."
    found = embedded(model, LONG)["prompt_embeds"][0, :30]
    with torch.no_grad():
        wanted = base.encode_prompt(
            prompt=first, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False
        )
    assert torch.allclose(found, wanted[0][0, :30], atol=1e-5)


def test_pooled_words_and_empty_negatives_are_sdxls(models) -> None:
    model = models("sdxl")
    found = embedded(model, LONG)
    assert not found["negative_prompt_embeds"].any() and not found["negative_pooled_prompt_embeds"].any()
    with torch.no_grad():
        wanted = model.parts.base.encode_prompt(prompt=LONG, device="cpu", do_classifier_free_guidance=False)
    assert torch.allclose(found["pooled_prompt_embeds"], wanted[2], atol=1e-5)
    assert embedded(model, LONG, negative_prompt="blurry")["negative_prompt_embeds"].any()
    assert "negative_prompt_embeds" not in embedded(model, LONG, guidance=1.0)


def test_words_are_weighed(models) -> None:
    model = models("sdxl")
    plain, heavy = embedded(model, "a (red)1.0 cat"), embedded(model, "a (red)1.5 cat")
    with torch.no_grad():
        wanted = model.parts.base.encode_prompt(prompt="a red cat", device="cpu", do_classifier_free_guidance=False)
    assert torch.allclose(plain["prompt_embeds"], wanted[0], atol=1e-5)
    assert torch.allclose(plain["pooled_prompt_embeds"], wanted[2], atol=1e-5)
    assert not torch.allclose(heavy["prompt_embeds"], wanted[0], atol=1e-3)
    assert torch.equal(heavy["pooled_prompt_embeds"], plain["pooled_prompt_embeds"])
    assert np.array_equal(model.draw(prompt="a (red)++ cat"), model.draw(prompt="a (red)1.21 cat"))
    assert np.array_equal(model.draw(prompt="a (red:1.5) cat"), model.draw(prompt="a (red)1.5 cat"))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("((a roof:1.2), mist:.5)rain", "((a roof)1.2, mist)0.5 rain"),
        ("(red:2) (16:9) (of 16:9) (a) :1.2)", "(red)2 (16:9) (of 16:9) (a) :1.2)"),
    ],
)
def test_numbers_behind_a_colon_weigh(written: str, read: str) -> None:
    assert prompt.with_numbers_behind(written) == read
