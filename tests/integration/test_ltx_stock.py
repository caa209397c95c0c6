"""Against diffusers' own pipelines on the miniature, set up so that both are to compute the same."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from diffusers.pipelines.ltx.pipeline_ltx import LTXPipeline
from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXConditionPipeline

from praxino.families import Shape
from praxino.families.ltx_video import FAMILY, conditioning, latents, load, positions, run
from praxino.families.ltx_video.load import Parts
from praxino.families.ltx_video.settings import from_options, to_options
from praxino.plain import from_plain
from praxino.recipe import Recipe
from praxino.request import Request
from praxino.sampling.noise import SeededNoise

PROMPT, NEGATIVE = "a red cat running", "a blue dog falling"
TOKENS = 5
"""Of either prompt, its end included: so there is no padding, which the stock pipeline does not hide from T5."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("ltx") / "miniature"
    FAMILY.miniature(path)
    return path


@pytest.fixture(scope="module")
def parts(folder) -> Parts:
    variant = FAMILY.identify(folder)
    assert variant is not None
    return FAMILY.load(folder, variant, "float32", "cpu")


def recipe_for(parts: Parts, **settings) -> Recipe:
    variant = parts.variant
    wish = Request(prompt=PROMPT, negative_prompt=NEGATIVE, steps=5, schedule="uniform", guidance=3.0)
    sampling = FAMILY.plan(wish, variant, Shape(64, 96, 9, 24.0), "text-to-video")
    options = to_options(dataclasses.replace(from_options(sampling.options), **settings))
    decided = {name: value for name, value in dataclasses.asdict(sampling).items() if name != "notes"}
    return from_plain(Recipe, {
        "family": "ltx-video", "variant": variant.name, "model": "", "revision": "", "task": "text-to-video",
        "prompt": PROMPT, "caption": PROMPT, "width": 64, "height": 96, "num_frames": 9, "fps": variant.fps,
        "guidance": 3.0, "seed": 8, "n": 1, "dtype": "float32", "conditions": [], "loras": [],
        "encoding": {"format": "gif", "loop": 0, "gif": "good", "quality": 90, "codec": "none", "grid": False,
                     "sheet": False},
        **decided, "guidance_phases": [{"start": 1.0, "scale": 3.0}], "options": options,
    })  # fmt: skip


@pytest.mark.parametrize("output", ["latent", "np"])
def test_text_to_video_is_the_stock_pipelines(folder, parts, output) -> None:
    recipe = recipe_for(parts, causal_rope=False, max_text_tokens=TOKENS, decode_noise=0.0)
    *_, state = FAMILY.denoise(recipe, parts, [], recipe.seed)
    shape = positions.latent_shape(from_options(recipe.options), 64, 96, 9)
    tokens = SeededNoise(recipe.seed).draw((1, shape[0] * shape[1] * shape[2], 16))
    stock = LTXPipeline.from_pretrained(folder)
    stock.set_progress_bar_config(disable=True)
    drawn = stock(
        PROMPT, NEGATIVE, height=96, width=64, num_frames=9, frame_rate=parts.variant.fps, num_inference_steps=5,
        guidance_scale=3.0, latents=tokens, max_sequence_length=TOKENS, decode_timestep=0.05, decode_noise_scale=0.0,
        output_type=output,
    ).frames  # fmt: skip
    if output == "latent":
        torch.testing.assert_close(state.tensors["latents"], drawn, atol=2e-5, rtol=1e-5)
    else:
        frames = FAMILY.decode(recipe, parts, state)
        assert np.abs(frames - np.floor(drawn[0] * 255)).max() <= 1


@pytest.mark.parametrize(
    ("frame", "length", "strength"), [(0, 1, 1.0), (0, 5, 0.6), (6, 1, 1.0), (8, 9, 1.0), (4, 5, 0.3), (8, 17, 0.9)]
)
@torch.no_grad()
def test_conditions_are_mixed_in_as_the_stock_pipeline_does(parts, frame, length, strength) -> None:
    """Single frames and clips, at the start and later; the stock pipeline's time coordinates are always causal."""
    settings = dataclasses.replace(from_options(parts.variant.options), causal_rope=True)
    pixels = torch.rand(1, 3, length, 64, 96, generator=torch.Generator().manual_seed(1)) * 2 - 1
    noise = SeededNoise(5)
    begun = noise.draw((1, 16, 9, 4, 6))
    held = conditioning.Held(latents.encode(parts.vae, pixels, noise), frame, strength)
    mixed = conditioning.mix(begun, [held], settings, noise)
    stock = LTXConditionPipeline(None, load.stock(parts.vae), None, None, load.stock(parts.transformer))
    tokens, mask, coords, extra = stock.prepare_latents(
        [pixels], [strength], [frame], num_channels_latents=16, height=64, width=96, num_frames=33,
        generator=torch.Generator().manual_seed(5), dtype=torch.float32,
    )  # fmt: skip
    assert mixed.tokens.shape[1] - extra == 9 * 4 * 6
    torch.testing.assert_close(mixed.tokens, tokens, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(mixed.strengths, mask)
    torch.testing.assert_close(mixed.coords, coords.float())


def test_positions_without_the_causal_shift_are_the_stock_text_pipelines(parts) -> None:
    settings = dataclasses.replace(from_options(parts.variant.options), causal_rope=False)
    coords = positions.in_seconds(positions.coordinates((3, 4, 6), settings), 8.0)
    given = torch.zeros(1, 72, 32)
    rope = load.stock(parts.transformer).rope
    stock = rope(given, 3, 4, 6, (4 / 8.0, 16, 16))
    ours = rope(given, video_coords=coords)
    for one, other in zip(ours, stock, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_words_are_read_as_the_stock_pipeline_reads_them_with_the_mask(folder, parts) -> None:
    stock = LTXConditionPipeline.from_pretrained(folder, transformer=None, vae=None)
    expected, mask = stock._get_t5_prompt_embeds(PROMPT, max_sequence_length=16)
    given = run.read(recipe_for(parts), parts, [], SeededNoise(1))
    torch.testing.assert_close(given.text.states, expected)
    assert torch.equal(given.text.mask.bool(), mask)
    assert given.text.mask.sum() == TOKENS
