"""Drawing in two passes: the upsampler against numpy in float64, both loops against ones written out here."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from praxino.errors import ModelError, UserError
from praxino.families import LoopState, Shape
from praxino.families.ltx_video import FAMILY, latents, passes, upsampler
from praxino.families.ltx_video.load import Parts
from praxino.families.ltx_video.settings import from_options
from praxino.plain import from_plain, to_plain
from praxino.recipe import Companion, Recipe
from praxino.request import Request

PICTURE = np.random.default_rng(2).integers(0, 256, (1, 48, 80, 3), dtype=np.uint8)
SEED, NUM_FRAMES = 8, 5
FIRST, SECOND = (2, 3, 3), (2, 6, 6)
"""Latent frames, rows and columns of the passes: 48x48 pixels, then 96x96."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ltx") / "miniature"
    FAMILY.miniature(path)
    return path


@pytest.fixture(scope="module")
def parts(folder) -> Parts:
    return FAMILY.load(folder, FAMILY.identify(folder), "float32", "cpu")


def recipe_for(parts: Parts, held=(), upscale=(96, 96), **wish) -> Recipe:
    shape = Shape(48, 48, NUM_FRAMES, 8.0, upscale)
    given = {"prompt": "a red cat", "steps": 2, **wish}
    sampling = FAMILY.plan(Request(upscale="2x", **given), parts.variant, shape, "text-to-video")
    media = {"source": "", "sha256": "", "data": ""}
    return from_plain(Recipe, {
        "family": "ltx-video", "variant": parts.variant.name, "model": "", "revision": "", "task": "image-to-video",
        "prompt": "a red cat", "caption": "a red cat", "width": 48, "height": 48, "num_frames": NUM_FRAMES, "fps": 8.0,
        "guidance": 3.0, "seed": SEED, "n": 1, "dtype": "float32", "loras": [], "upscale": upscale,
        "conditions": [{"frame": frame, "strength": strength, "media": media} for frame, strength in held],
        "encoding": {"format": "gif", "loop": 0, "gif": "good", "quality": 90, "codec": "none", "grid": False,
                     "sheet": False},
        **{name: value for name, value in to_plain(sampling).items() if name != "notes"},
    })  # fmt: skip


def conv(x: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    """A convolution with kernel 3 and zeros around, over the last axes of (C, ...), in float64."""
    kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    axes = kernel.ndim - 2
    padded = np.pad(x, [(0, 0)] * (x.ndim - axes) + [(1, 1)] * axes)
    summed = np.zeros((kernel.shape[0], *x.shape[1:]))
    for offsets in np.ndindex(*(3,) * axes):
        part = padded[(..., *(slice(o, o + n) for o, n in zip(offsets, x.shape[-axes:], strict=True)))]
        summed += np.tensordot(kernel[(..., *offsets)], part, axes=(1, 0))
    return summed + bias.reshape(-1, *(1,) * (x.ndim - 1))


def norm(x: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    """GroupNorm of 32 groups over (32, f, h, w): each channel is a group."""
    axes = tuple(range(1, x.ndim))
    standard = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
    return standard * weights[f"{name}.weight"][:, None, None, None] + weights[f"{name}.bias"][:, None, None, None]


def silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


def block(x: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    inner = silu(norm(conv(x, weights, f"{name}.conv1"), weights, f"{name}.norm1"))
    return silu(x + norm(conv(inner, weights, f"{name}.conv2"), weights, f"{name}.norm2"))


def doubled(x: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """(C, f, h, w) through the upsampler: four maps to a channel, one for each cell of two by two."""
    x = block(silu(norm(conv(x, weights, "initial_conv"), weights, "initial_norm")), weights, "res_blocks.0")
    maps = np.stack([conv(frame, weights, "upsampler.0") for frame in x.transpose(1, 0, 2, 3)], 1)
    channels, frames, rows, columns = maps.shape[0] // 4, *maps.shape[1:]
    larger = np.zeros((channels, frames, 2 * rows, 2 * columns))
    for index, (down, right) in enumerate(np.ndindex(2, 2)):
        larger[:, :, down::2, right::2] = maps[index::4]
    return conv(block(larger, weights, "post_upsample_res_blocks.0"), weights, "final_conv")


def test_upsampling_adain_and_tone_map_are_numpys_in_float64(folder, parts) -> None:
    given = torch.randn((1, 16, *FIRST), generator=torch.Generator().manual_seed(4)) * 1.5
    weights = {name: tensor.double().numpy() for name, tensor in load_file(next(folder.glob("latent_*/*.s*"))).items()}
    mean, deviation = (
        getattr(parts.vae, f"latents_{name}").double().numpy()[:, None, None, None] for name in ("mean", "std")
    )
    small = given[0].double().numpy()
    larger = (doubled(small * deviation + mean, weights) - mean) / deviation

    def spread(x: np.ndarray) -> np.ndarray:
        return x.std((1, 2, 3), ddof=1, keepdims=True)

    def middle(x: np.ndarray) -> np.ndarray:
        return x.mean((1, 2, 3), keepdims=True)

    expected = (larger - middle(larger)) / spread(larger) * spread(small) + middle(small)
    found = upsampler.upsample(parts, given)
    assert found.shape == (1, 16, *SECOND)
    np.testing.assert_allclose(found[0].numpy(), expected, atol=2e-5)
    factor = 0.75 * 0.6
    mapped = expected * (1 - 0.8 * factor / (1 + np.exp(-4 * factor * (np.abs(expected) - 1))))
    np.testing.assert_allclose(latents.tone_map(found, 0.6)[0].numpy(), mapped, atol=2e-5)


def coordinates(shape: tuple[int, int, int]) -> torch.Tensor:
    """Seconds, y and x of each token; the first latent frame stands for one frame, the others for four each."""
    places = [(max(4 * f - 3, 0) / 8, 16 * y, 16 * x) for f, y, x in np.ndindex(*shape)]
    return torch.tensor(places).T[None].float()


def predicted(parts: Parts, x: torch.Tensor, words: str, t: float | torch.Tensor, shape) -> torch.Tensor:
    ids, mask = parts.tokenizer(words, 16)
    states = parts.text_encoder(input_ids=ids, attention_mask=mask)[0]
    return parts.transformer(
        hidden_states=x, encoder_hidden_states=states, encoder_attention_mask=mask, return_dict=False,
        timestep=1000 * torch.as_tensor(t).float().reshape(1, -1), video_coords=coordinates(shape),
    )[0]  # fmt: skip


@torch.no_grad()
def test_both_passes_are_loops_written_out(parts) -> None:
    recipe = recipe_for(parts)
    draws = torch.Generator().manual_seed(SEED)
    x = torch.randn(1, 18, 16, generator=draws)
    for t, t_next in [(1.0, recipe.sigmas[1]), (recipe.sigmas[1], 0.0)]:
        away = predicted(parts, x, recipe.negative_prompt, t, FIRST)
        x = x - (t - t_next) * (away + 3 * (predicted(parts, x, "a red cat", t, FIRST) - away))
    small = x.transpose(1, 2).unflatten(2, FIRST)
    larger = upsampler.upsample(parts, small).flatten(2).transpose(1, 2)
    x = 0.9 * torch.randn(1, 72, 16, generator=draws) + 0.1 * larger
    for t, t_next in [(0.9, 0.4), (0.4, 0.0)]:
        x = x - (t - t_next) * predicted(parts, x, "a red cat", t, SECOND)
    *_, state = FAMILY.denoise(recipe, parts, [], SEED)
    torch.testing.assert_close(state.tensors["latents"], x, atol=2e-5, rtol=1e-5)
    fresh = torch.randn((1, 16, *SECOND), generator=draws)
    mapped = latents.tone_map(0.975 * x.transpose(1, 2).unflatten(2, SECOND) + 0.025 * fresh, 0.6)
    mean, deviation = (values.view(1, -1, 1, 1, 1) for values in (parts.vae.latents_mean, parts.vae.latents_std))
    pixels = parts.vae.decode(mapped * deviation + mean, torch.tensor([0.05]), return_dict=False)[0]
    frames = FAMILY.decode(recipe, parts, state)
    expected = ((pixels[0] / 2 + 0.5).clamp(0, 1) * 255).byte().permute(1, 2, 3, 0).numpy()
    assert frames.shape == (NUM_FRAMES, 96, 96, 3)
    assert np.abs(frames.astype(int) - expected).max() <= 1


def test_a_smaller_size_than_twice_is_stretched_down_to(parts, monkeypatch) -> None:
    full, recipe = recipe_for(parts), recipe_for(parts, upscale=(64, 80))
    *_, state = FAMILY.denoise(full, parts, [], SEED)
    *_, same = FAMILY.denoise(recipe, parts, [], SEED)
    assert torch.equal(same.tensors["latents"], state.tensors["latents"])
    seen = []
    decode = parts.vae.decode
    monkeypatch.setattr(parts.vae, "decode", lambda *given, **more: seen.append(decode(*given, **more)) or seen[0])
    frames = FAMILY.decode(recipe, parts, state)
    assert seen[0][0].shape[-2:] == (96, 96)
    wanted = F.interpolate((seen[0][0][0] / 2 + 0.5).clamp(0, 1).transpose(0, 1), size=(80, 64), mode="bilinear")
    assert np.array_equal(frames, (wanted * 255).byte().permute(0, 2, 3, 1).numpy())


def test_two_thirds_come_first_where_no_size_is_asked_for(parts) -> None:
    """A variant that refines by default: 144 of two thirds is 95.99, which is cut to the grid of 16."""
    options = {**parts.variant.options}
    options["second_pass"] = {**options["second_pass"], "by_default": True}
    variant = dataclasses.replace(parts.variant, options=options)
    shape = Shape(144, 96, NUM_FRAMES, 8.0)
    sampling = FAMILY.plan(Request(prompt="a cat", steps=3), variant, shape, "text-to-video")
    refined = from_options(sampling.options).refinement
    assert refined is not None
    assert (refined.first_width, refined.first_height, refined.first_steps) == (80, 48, 3)
    assert sampling.sigmas[3:] == (0.9, 0.4) and sampling.steps == 5
    alone = FAMILY.plan(Request(prompt="a cat", sigmas=(1.0, 0.5)), variant, shape, "text-to-video")
    assert alone.sigmas == (1.0, 0.5) and "refinement" not in alone.options
    with pytest.raises(UserError, match="at least 32"):
        FAMILY.plan(Request(prompt="a cat"), variant, Shape(16, 96, NUM_FRAMES, 8.0), "text-to-video")


def saved_and_loaded(state: LoopState, path: Path) -> LoopState:
    save_file({name: tensor.contiguous() for name, tensor in state.tensors.items()}, path)
    return LoopState(state.step, load_file(path))


@pytest.mark.parametrize("scheduler", ["dpm++-2m", "euler-ancestral"])
def test_going_on_in_either_pass_gives_the_same_bits(parts, tmp_path, scheduler) -> None:
    recipe = recipe_for(parts, [(0, 1.0), (4, 0.7)], scheduler=scheduler)
    given = [PICTURE, PICTURE[:, ::-1]]
    straight = [
        saved_and_loaded(state, tmp_path / f"{state.step}") for state in FAMILY.denoise(recipe, parts, given, SEED)
    ]
    assert [state.step for state in straight] == [0, 1, 2, 3, 4]
    assert [len(state.tensors["latents"][0]) for state in straight] == [27, 27, 27, 108, 108]
    for saved in straight:
        states = list(FAMILY.denoise(recipe, parts, given, SEED, saved))
        assert [state.step for state in states] == list(range(saved.step, 5))
        for name, tensor in straight[-1].tensors.items():
            assert torch.equal(states[-1].tensors[name], tensor), (saved.step, name)


def test_previews_follow_both_passes(parts) -> None:
    recipe = recipe_for(parts)
    for state in FAMILY.denoise(recipe, parts, [], SEED):
        picture = FAMILY.preview(recipe, parts, state)
        assert picture.shape == (48, 48, 3) and picture.std() > 0
        assert passes.pass_of(recipe, state).shape == (FIRST if state.step <= 2 else SECOND)


def single_file(folder: Path, path: Path, **config) -> Path:
    """The upsampler as Lightricks publish it."""
    told = {**json.loads((folder / "latent_upsampler" / "config.json").read_text()), **config}
    metadata = {"config": json.dumps({name: value for name, value in told.items() if not name.startswith("_diff")})}
    save_file(load_file(next(folder.glob("latent_upsampler/*.safetensors"))), path, metadata)
    return path


def test_upsamplers_of_other_places_are_laid_beside_the_model(folder, parts, tmp_path) -> None:
    latents_given = torch.randn((1, 16, *FIRST), generator=torch.Generator().manual_seed(4))
    own = upsampler.upsample(parts, latents_given)
    file = single_file(folder, tmp_path / "ltxv-spatial-upscaler.safetensors")
    for path in (file, folder / "latent_upsampler", folder):
        recipe = dataclasses.replace(recipe_for(parts), companions=(Companion("upsampler", str(path)),))
        parts.upsampler = None
        equipped = FAMILY.equip(parts, recipe)
        assert torch.equal(upsampler.upsample(equipped, latents_given), own)
        kept = equipped.upsampler
        assert FAMILY.equip(parts, recipe).upsampler is kept


def test_what_is_no_spatial_upsampler_is_a_model_error(folder, parts, tmp_path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(single_file(folder, tmp_path / "whole.safetensors").read_bytes()[:-1000])
    other = tmp_path / "other.safetensors"
    save_file({"proj_in.weight": torch.zeros(2, 2)}, other)
    in_time = type(parts.upsampler)(16, 32, 1, spatial_upsample=False, temporal_upsample=True)
    in_time.save_pretrained(tmp_path / "time")
    for path, complaint in [(broken, "damaged"), (other, "no safetensors file of a latent upsampler")]:
        with pytest.raises(ModelError, match=complaint):
            upsampler.load(path, torch.float32, torch.device("cpu"))
    with pytest.raises(ModelError, match="upsamples in time"):
        upsampler.load(tmp_path / "time", torch.float32, torch.device("cpu"))
    with pytest.raises(ModelError, match="16 channels, this model's latents have 128"):
        upsampler.upsample(parts, torch.zeros(1, 128, *FIRST))


def test_more_than_twice_is_refused(parts) -> None:
    with pytest.raises(UserError, match="more than 2 times 48x48"):
        recipe_for(parts, upscale=(128, 96))
