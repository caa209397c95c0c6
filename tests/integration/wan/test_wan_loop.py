"""The loop's own matters: perturbed passes and guiders against calculations of their own, going on, half precision."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from praxino.accel.placement import store_in_float8
from praxino.families import LoopState
from praxino.families.wan import FAMILY, loop, run, text
from praxino.families.wan.wide import is_wide
from praxino.sampling.noise import SeededNoise

from .conftest import condition, last, picture, recipe_of


def in_float64(transformer, skipped=None, mode=""):
    """A copy with one block altered by hand; diffusers' own casts to float32 inside it stay."""
    wide = copy.deepcopy(transformer).double()
    if mode == "transformer-block":
        del wide.blocks[skipped]
    elif mode:
        attention = wide.blocks[skipped].attn1
        values = attention.to_v if mode == "attention-values" else torch.nn.Identity()
        attention.forward = lambda states, *_: attention.to_out[0](values(states))
    return wide


def velocity64(transformer, start, t, words) -> np.ndarray:
    with torch.no_grad():
        return transformer(
            hidden_states=start.latents.double(), timestep=torch.tensor([t]), encoder_hidden_states=words.double()
        ).sample.numpy()


@pytest.mark.parametrize("mode", ["transformer-block", "attention-values", "attention-skip"])
def test_skip_guidance_is_the_formula_in_float64(loaded, mode) -> None:
    variant, parts = loaded("wan2.1-t2v-1.3b")
    recipe = recipe_of(variant, stg=1.5, stg_blocks=(1,), stg_mode=mode, rescale=0.6, guidance=4.0)
    start = run.prepare(recipe, parts, [], SeededNoise(recipe.seed))
    t = int(1000 * recipe.sigmas[0])
    whole = in_float64(parts.transformer)
    v_t, v_u = (velocity64(whole, start, t, words) for words in (start.text, start.negative))
    v_p = velocity64(in_float64(parts.transformer, 1, mode), start, t, start.text)
    wanted = v_u + 4 * (v_t - v_u) + 1.5 * (v_t - v_p)
    wanted *= 0.4 * v_t.std(ddof=1) / wanted.std(ddof=1) + 0.6
    with torch.no_grad():
        given, _ = loop.guided_velocity(parts.transformer, start.latents, start, run.plan_of(recipe), 0, None)
    assert np.abs(v_t - v_p).max() > 1e-3
    np.testing.assert_allclose(given.numpy(), wanted, atol=2e-5 * np.abs(wanted).max())


def test_no_block_stays_perturbed(loaded) -> None:
    variant, parts = loaded("wan2.1-t2v-1.3b")
    recipe = recipe_of(variant)
    before = last(FAMILY.denoise(recipe, parts, [], 3)).tensors["latents"]
    for mode in ("transformer-block", "attention-values"):
        changed = recipe_of(variant, stg=1.0, stg_blocks=(0, 2), stg_mode=mode)
        assert not torch.equal(last(FAMILY.denoise(changed, parts, [], 3)).tensors["latents"], before)
    assert torch.equal(last(FAMILY.denoise(recipe, parts, [], 3)).tensors["latents"], before)


def test_projected_guidance_is_diffusers_guider_over_the_run(loaded) -> None:
    from diffusers.guiders.adaptive_projected_guidance import AdaptiveProjectedGuidance

    variant, parts = loaded("wan2.1-t2v-1.3b")
    recipe = recipe_of(variant, guider="apg", guidance=6.0)
    states = list(FAMILY.denoise(recipe, parts, [], recipe.seed))
    start = run.prepare(recipe, parts, [], SeededNoise(recipe.seed))
    guider = AdaptiveProjectedGuidance(5.0, -0.75, 55.0, None, 0.0, use_original_formulation=True)
    for step, sigma in enumerate(recipe.sigmas):
        x = states[step].tensors["latents"]
        with torch.no_grad():
            v_t, v_u = (loop.velocity(parts.transformer, x, start, sigma, negative=own) for own in (False, True))
        guider.set_state(step, recipe.steps, torch.tensor(0))
        guider.prepare_inputs({"x": (v_t, v_u)})
        x0 = x - np.float32(sigma) * guider.forward(v_t, v_u).pred
        torch.testing.assert_close(states[step + 1].tensors["denoised"], x0, rtol=1e-4, atol=1e-5)


def test_cfg_zero_star_stands_still_at_first(loaded) -> None:
    variant, parts = loaded("wan2.1-t2v-1.3b")
    states = list(FAMILY.denoise(recipe_of(variant, cfg_star=True), parts, [], 3))
    assert torch.equal(states[1].tensors["denoised"], states[0].tensors["latents"])
    assert not torch.equal(states[2].tensors["denoised"], states[1].tensors["latents"])
    clip = picture(4, variant.width, variant.height, variant.num_frames)
    changed = recipe_of(variant, (condition("video"),), "video-to-video", cfg_star=True, video="clip.mp4")
    first, second, *_ = FAMILY.denoise(changed, parts, [clip], 3)
    assert not torch.equal(second.tensors["denoised"], first.tensors["latents"])


RUNS: list[tuple[str, dict[str, Any]]] = [
    ("wan2.1-t2v-1.3b", {"scheduler": "unipc"}),
    ("wan2.1-t2v-1.3b", {"scheduler": "dpm++-2m", "cfg_star": True}),
    ("wan2.1-t2v-1.3b", {"scheduler": "euler", "guidance": 1.0}),
    ("wan2.1-t2v-1.3b", {"guider": "apg"}),
    ("wan2.2-t2v-a14b", {"stg": 1.0, "stg_blocks": (1,)}),
    ("wan2.2-ti2v-5b", {"first": "a.png"}),
]


@pytest.mark.parametrize(("like", "wish"), RUNS)
def test_a_run_goes_on_from_any_saved_step_bit_for_bit(loaded, like, wish) -> None:
    variant, parts = loaded(like)
    has_picture = "first" in wish
    conditions, pictures = ((condition(),), [picture(1)]) if has_picture else ((), [])
    recipe = recipe_of(variant, conditions, "image-to-video" if has_picture else "text-to-video", steps=5, **wish)
    states = list(FAMILY.denoise(recipe, parts, pictures, recipe.seed))
    for saved in states[1:-1]:
        tensors = load(save({name: tensor.contiguous() for name, tensor in saved.tensors.items()}))
        resumed = last(FAMILY.denoise(recipe, parts, pictures, recipe.seed, LoopState(saved.step, tensors)))
        for name, tensor in states[-1].tensors.items():
            assert torch.equal(resumed.tensors[name], tensor), (saved.step, name)


def test_each_half_of_the_noise_has_its_transformer_and_guidance(loaded) -> None:
    variant, parts = loaded("wan2.2-t2v-a14b")
    recipe = recipe_of(variant, sigmas=(0.95, 0.875, 0.8749, 0.5))
    called: list[tuple[str, int]] = []
    hooks = [
        transformer.register_forward_pre_hook(
            lambda module, args, kwargs, name=name: called.append((name, int(kwargs["timestep"]))), with_kwargs=True
        )
        for name, transformer in zip(("high", "low"), parts.transformers, strict=True)
    ]
    states = list(FAMILY.denoise(recipe, parts, [], 3))
    for hook in hooks:
        hook.remove()
    assert called[::2] == [("high", 950), ("high", 875), ("low", 874), ("low", 500)]
    start = run.prepare(recipe, parts, [], SeededNoise(3))
    for step, (transformer, scale) in enumerate(zip((0, 0, 1, 1), (4.0, 4.0, 3.0, 3.0), strict=True)):
        x, sigma = states[step].tensors["latents"], recipe.sigmas[step]
        with torch.no_grad():
            v_t, v_u = (
                loop.velocity(parts.transformers[transformer], x, start, sigma, negative=negative)
                for negative in (False, True)
            )
        wanted = x - np.float32(sigma) * (v_u + scale * (v_t - v_u))
        torch.testing.assert_close(states[step + 1].tensors["denoised"], wanted, rtol=1e-5, atol=1e-6)


def test_a_clip_that_is_changed_starts_from_its_latents_at_the_first_level(loaded) -> None:
    from praxino.families.wan import latents, pictures

    variant, parts = loaded("wan2.1-t2v-1.3b")
    clip = picture(4, variant.width, variant.height, variant.num_frames)
    recipe = recipe_of(variant, (condition("video", strength=0.5),), "video-to-video", steps=4, strength=0.5,
                       video="clip.mp4")  # fmt: skip
    assert recipe.steps == 2
    first, *_ = FAMILY.denoise(recipe, parts, [clip], recipe.seed)
    with torch.no_grad():
        encoded = latents.encode(parts.vae, pictures.to_pixels(clip))
    level = recipe.sigmas[0]
    noise = SeededNoise(recipe.seed).draw(tuple(encoded.shape))
    torch.testing.assert_close(first.tensors["latents"], (1 - level) * encoded + level * noise)


def test_in_half_precision_the_stream_the_time_and_the_head_stay_wide(loaded) -> None:
    _, parts = loaded("wan2.1-vace-1.3b", "bfloat16")
    for name, weight in parts.transformer.named_parameters():
        assert weight.dtype == (torch.float32 if is_wide(name) else torch.bfloat16), name
    assert not is_wide("vace_blocks.0.proj_out.weight") and is_wide("proj_out.weight")
    assert not is_wide("blocks.0.attn1.norm_q.weight") and is_wide("condition_embedder.time_proj.weight")
    assert {weight.dtype for weight in parts.vae.parameters()} == {torch.float32}
    seen = []
    hooks = [
        block.register_forward_hook(lambda *given: seen.append(given[2].dtype)) for block in parts.transformer.blocks
    ]
    variant, _ = loaded("wan2.1-vace-1.3b")
    given = FAMILY.decode(recipe_of(variant), parts, last(FAMILY.denoise(recipe_of(variant), parts, [], 3)))
    for hook in hooks:
        hook.remove()
    assert set(seen) == {torch.float32}
    _, exact = loaded("wan2.1-vace-1.3b")
    wanted = FAMILY.decode(recipe_of(variant), exact, last(FAMILY.denoise(recipe_of(variant), exact, [], 3)))
    assert np.abs(given.astype(float) - wanted).mean() < 3


def test_half_precision_weights_kept_in_8_bits_still_draw_nearly_the_same(miniature, loaded) -> None:
    variant, exact = loaded("wan2.1-t2v-1.3b")
    recipe = recipe_of(variant)
    wanted = last(FAMILY.denoise(recipe, exact, [], 3)).tensors["latents"]
    parts = FAMILY.load(miniature("wan2.1-t2v-1.3b"), variant, "bfloat16", "cpu")
    store_in_float8(parts)
    kinds = {name: weight.dtype for name, weight in parts.transformer.named_parameters()}
    assert kinds["blocks.0.attn1.to_q.weight"] == torch.float8_e4m3fn and kinds["proj_out.weight"] == torch.float32
    given = last(FAMILY.denoise(recipe, parts, [], 3)).tensors["latents"]
    assert float((given - wanted).norm() / wanted.norm()) < 0.03


def test_prompts_are_cleaned_as_the_authors_do_and_padded_with_zeros(loaded) -> None:
    assert text.cleaned("  a\n\tcat’s &amp;amp; dog ") == "a cat's & dog"
    _, parts = loaded("wan2.1-t2v-1.3b")
    with torch.no_grad():
        embedded = text.embed(parts, "a cat")
    assert embedded.shape == (1, 512, 32)
    assert (embedded[0, 6:] == 0).all() and (embedded[0, :6].abs().sum(-1) > 0).all()


@pytest.mark.parametrize("like", ["wan2.1-t2v-1.3b", "wan2.2-ti2v-5b"])
@pytest.mark.parametrize("tiled", [False, True])
def test_frames_come_in_chunks_and_are_those_of_diffusers(loaded, like, tiled) -> None:
    from praxino.families._pixels import to_uint8
    from praxino.families.wan.latents import _statistics

    variant, parts = loaded(like)
    recipe = recipe_of(variant)
    state = last(FAMILY.denoise(recipe, parts, [], 3))
    mean, inverse_std = _statistics(parts.vae)
    parts.vae.use_tiling = tiled
    try:
        with torch.no_grad():
            wanted = parts.vae.decode(state.tensors["latents"] / inverse_std + mean).sample[0]
        chunks = list(FAMILY.decode_chunks(recipe, parts, state))
    finally:
        parts.vae.use_tiling = False
    assert [len(chunk) for chunk in chunks] == ([5] if tiled else [1, 4])
    assert np.array_equal(np.concatenate(chunks), to_uint8(wanted))
    assert tiled or np.array_equal(FAMILY.decode(recipe, parts, state), to_uint8(wanted))
