"""Whole runs of the miniature: every task, going on from any saved step, and SDXL as the oracle of one frame."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load, save
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from praxino.families import LoopState
from praxino.families._pixels import from_uint8
from praxino.families._stock.schedulers import DIFFUSION
from praxino.families.hotshot_xl import FAMILY, latents, load_unet, pictures, sampling, text
from praxino.families.hotshot_xl.miniature import UNET
from praxino.families.hotshot_xl.networks import no_progress_bars

PROMPT = "a cat of two tails"
CLIP = np.random.default_rng(2).integers(0, 256, (7, 40, 100, 3), dtype=np.uint8)
STILL = CLIP[:1]


def sdxl(miniature: Path) -> StableDiffusionXLPipeline:
    """diffusers' pipeline over the miniature's weights without the temporal ones."""
    blocks = ("down_block_types", "up_block_types", "mid_block_type")
    kinds = {name: [kind.replace("3D", "2D") for kind in UNET[name]] for name in blocks[:2]}
    unet = UNet2DConditionModel(**{**UNET, **kinds, "mid_block_type": "UNetMidBlock2DCrossAttn"})
    spatial = {name: tensor for name, tensor in load_unet(miniature).state_dict().items() if "motion" not in name}
    unet.load_state_dict(spatial)
    with no_progress_bars():
        return StableDiffusionXLPipeline(
            vae=AutoencoderKL.from_pretrained(miniature, subfolder="vae", dtype=torch.float32),
            text_encoder=CLIPTextModel.from_pretrained(miniature / "text_encoder", dtype=torch.float32),
            text_encoder_2=CLIPTextModelWithProjection.from_pretrained(
                miniature / "text_encoder_2", dtype=torch.float32
            ),
            tokenizer=CLIPTokenizer.from_pretrained(miniature / "tokenizer"),
            tokenizer_2=CLIPTokenizer.from_pretrained(miniature / "tokenizer_2"),
            unet=unet.eval(),
            scheduler=EulerDiscreteScheduler.from_pretrained(miniature / "scheduler"),
            add_watermarker=False,
        )


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("scheduler", ["euler-ancestral", "ddim"])
def test_one_frame_is_what_sdxl_draws(miniature, parts, recipe_of, draw, scheduler: str) -> None:
    recipe = recipe_of(num_frames=1, prompt=PROMPT, scheduler=scheduler)
    pipeline = sdxl(miniature)
    pipeline.scheduler = sampling.walk(scheduler, pipeline.scheduler.config, 1, 1).scheduler
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline(
        PROMPT, negative_prompt="blurry", width=recipe.width, height=recipe.height, num_inference_steps=recipe.steps,
        guidance_scale=5.0, original_size=(1920, 1080), target_size=(512, 512), output_type="np",
        generator=torch.Generator().manual_seed(recipe.seed),
    ).images[0]  # fmt: skip
    off = np.abs(draw(parts, recipe)[0].astype(float) - np.floor(image * 255))
    assert off.max() <= 1
    assert (off > 0).mean() < 0.001


@pytest.mark.parametrize(
    ("task", "scheduler"),
    [
        *(("text-to-video", name) for name in DIFFUSION),
        ("image-to-video", "euler-ancestral"),
        ("image-to-video", "pndm"),
    ],
)
def test_a_run_goes_on_from_any_saved_step_bit_for_bit(parts, recipe_of, task: str, scheduler: str) -> None:
    """Each saved state leads to the very next one, and so to the last."""
    given = [STILL] if task == "image-to-video" else []
    recipe = recipe_of(task, (("frame", 1.0),) * len(given), scheduler=scheduler, steps=5)
    whole = list(FAMILY.denoise(recipe, parts, given, recipe.seed))
    assert [state.step for state in whole] == list(range(recipe.steps + 1))
    for saved, following in itertools.pairwise(whole):
        kept = load(save({name: tensor.contiguous() for name, tensor in saved.tensors.items()}))
        again = FAMILY.denoise(recipe, parts, given, recipe.seed, LoopState(saved.step, kept))
        assert next(again).step == saved.step
        reached = next(again)
        assert reached.tensors.keys() == following.tensors.keys()
        assert all(torch.equal(tensor, following.tensors[name]) for name, tensor in reached.tensors.items())


def test_samplers_draw_different_things(parts, recipe_of, draw) -> None:
    names = [name for name in DIFFUSION if name != "ddpm"]
    drawn = [draw(parts, recipe_of(scheduler=name, num_frames=1, steps=3)).tobytes() for name in names]
    assert len(set(drawn)) == len(drawn)


def test_frames_of_a_clip_differ_and_temporal_layers_join_them(parts, recipe_of, draw) -> None:
    clip = draw(parts, recipe_of(num_frames=4))
    assert len({frame.tobytes() for frame in clip}) == 4
    for layer in (module for name, module in parts.networks.unet.named_modules() if name.endswith("motion_modules.0")):
        layer.forward = lambda hidden_states, **_: hidden_states
    try:
        assert not np.array_equal(clip, draw(parts, recipe_of(num_frames=4)))
    finally:
        parts.loaded = None


def test_a_picture_set_in_motion_stays_the_first_frame(parts, recipe_of, draw) -> None:
    recipe = recipe_of("image-to-video", (("frame", 1.0),))
    clip = draw(parts, recipe, [STILL])
    fitted = from_uint8(pictures.filled(STILL, recipe.width, recipe.height))
    seen = latents.decode(parts.networks.vae, latents.encode(parts.networks.vae, fitted))
    assert np.array_equal(clip[0], seen[0])
    assert not np.array_equal(clip[1], clip[0])


def test_how_firmly_a_picture_holds(parts, recipe_of, draw) -> None:
    clips = {}
    for strength in (0.0, 0.5, 1.0):
        recipe = recipe_of("image-to-video", (("frame", strength),), strength=strength, steps=6)
        clips[strength] = draw(parts, recipe, [STILL])
    assert np.array_equal(clips[0.0], draw(parts, recipe_of(steps=6)))
    assert not np.array_equal(clips[0.5][0], clips[1.0][0])
    assert not np.array_equal(clips[0.5], clips[0.0])


def test_the_frames_after_a_picture_follow_it(parts, recipe_of, draw) -> None:
    recipe = recipe_of("image-to-video", (("frame", 1.0),))
    one, other = draw(parts, recipe, [STILL]), draw(parts, recipe, [255 - STILL])
    assert not np.array_equal(one[1:], other[1:])


def test_a_clip_is_changed_by_its_strength(parts, recipe_of, draw) -> None:
    def distance(strength: float) -> float:
        recipe = recipe_of("video-to-video", (("video", strength),), strength=strength, steps=10)
        assert recipe.steps == round(10 * strength)
        clip = draw(parts, recipe, [CLIP])
        fitted = pictures.filled(pictures.resampled(CLIP, recipe.num_frames), recipe.width, recipe.height)
        seen = latents.decode(parts.networks.vae, latents.encode(parts.networks.vae, from_uint8(fitted)))
        return float(np.abs(clip.astype(float) - seen).mean())

    assert distance(0.1) < distance(0.5) < distance(1.0)


def test_the_seed_and_the_words_decide(parts, recipe_of, draw) -> None:
    clip = draw(parts, recipe_of())
    assert np.array_equal(clip, draw(parts, recipe_of()))
    assert not np.array_equal(clip, draw(parts, recipe_of(prompt="a blue dog")))
    assert not np.array_equal(clip, draw(parts, recipe_of(negative_prompt="")))
    assert not np.array_equal(clip, draw(parts, recipe_of(guidance=1.0)))


def test_without_guidance_the_negative_text_is_not_read(parts, recipe_of, monkeypatch) -> None:
    read: list[Any] = []
    embed = text.embed
    monkeypatch.setattr(
        text, "embed", lambda encoders, texts, dtype: read.append(texts) or embed(encoders, texts, dtype)
    )
    next(FAMILY.denoise(recipe_of(guidance=1.0), parts, [], 1))
    assert read == [["a red cat"]]


class TestText:
    """Against transformers' own padding and cutting, which the original uses."""

    def by_pipeline(self, miniature: Path, words: str) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            states, _, pooled, _ = sdxl(miniature).encode_prompt(words, do_classifier_free_guidance=False)
        return states, pooled

    def test_up_to_75_tokens_it_is_the_pipelines(self, miniature, parts) -> None:
        for words in ("", "a cat", "x" * 75):
            states, pooled = self.by_pipeline(miniature, words)
            with torch.no_grad():
                ours = text.embed(parts.networks.encoders, [words], torch.float32)
            assert (ours.states - states).abs().max() <= 1e-5
            assert (ours.pooled - pooled).abs().max() <= 1e-5

    def test_beyond_it_is_read_in_pieces(self, miniature, parts) -> None:
        with torch.no_grad():
            ours = text.embed(parts.networks.encoders, ["y " * 75 + "z " * 5, "blurry"], torch.float32)
        assert ours.states.shape[:2] == (2, 2 * 77)
        first, pooled = self.by_pipeline(miniature, "y " * 75)
        assert (ours.states[:1, :77] - first).abs().max() <= 1e-5
        assert (ours.pooled[:1] - pooled).abs().max() <= 1e-5
        empty, _ = self.by_pipeline(miniature, "")
        assert (ours.states[1:, 77:] - empty).abs().max() <= 1e-5

    def test_words_at_the_end_of_a_long_prompt_count(self, parts, recipe_of, draw) -> None:
        one, other = (draw(parts, recipe_of(prompt="y " * 80 + end)) for end in "ab")
        assert not np.array_equal(one, other)
