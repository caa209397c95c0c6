"""Whole runs on the miniature: resuming, pictures, LoRA, number formats."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from praxino.errors import ModelError, UserError
from praxino.families import LoopState, Shape
from praxino.families.ltx_video import FAMILY, conditioning, latents, load, positions
from praxino.families.ltx_video.load import Parts
from praxino.families.ltx_video.settings import from_options
from praxino.plain import from_plain, to_plain
from praxino.recipe import Recipe
from praxino.request import Request
from praxino.sampling.noise import SeededNoise
from praxino.sampling.samplers import SAMPLERS

PICTURE = np.random.default_rng(2).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
CLIP = np.random.default_rng(3).integers(0, 256, (9, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ltx") / "miniature"
    FAMILY.miniature(path)
    return path


@pytest.fixture(scope="module")
def parts(folder) -> Parts:
    return FAMILY.load(folder, FAMILY.identify(folder), "float32", "cpu")


def recipe_for(parts: Parts, conditions=(), loras=(), num_frames=9, **wish) -> Recipe:
    variant = parts.variant
    sampling = FAMILY.plan(
        Request(prompt="a red cat", **wish), variant, Shape(64, 64, num_frames, 24.0), "text-to-video"
    )
    held = [
        {"frame": frame, "strength": strength, "media": {"source": "", "sha256": "", "data": ""}}
        for frame, strength in conditions
    ]
    return from_plain(Recipe, {
        "family": "ltx-video", "variant": variant.name, "model": "", "revision": "", "task": "image-to-video",
        "prompt": "a red cat", "caption": "a red cat", "width": 64, "height": 64, "num_frames": num_frames,
        "fps": variant.fps, "guidance": 3.0, "seed": 8, "n": 1, "dtype": "float32", "conditions": held, "loras": loras,
        "encoding": {"format": "gif", "loop": 0, "gif": "good", "quality": 90, "codec": "none", "grid": False,
                     "sheet": False},
        **{name: value for name, value in to_plain(sampling).items() if name != "notes"},
    })  # fmt: skip


def saved_and_loaded(state: LoopState, path: Path) -> LoopState:
    save_file({name: tensor.contiguous() for name, tensor in state.tensors.items()}, path)
    return LoopState(state.step, load_file(path))


@pytest.mark.parametrize("scheduler", SAMPLERS)
def test_going_on_from_any_step_gives_the_same_bits(parts, tmp_path, scheduler) -> None:
    recipe = recipe_for(parts, [(0, 1.0), (4, 0.7)], steps=3, scheduler=scheduler, stg=1.0, stg_blocks=(1,))
    given = [PICTURE, PICTURE[:, ::-1]]
    straight = [
        saved_and_loaded(state, tmp_path / f"{state.step}") for state in FAMILY.denoise(recipe, parts, given, 8)
    ]
    frames = FAMILY.decode(recipe, parts, straight[-1])
    for saved in straight:
        *_, state = FAMILY.denoise(recipe, parts, given, 8, saved)
        assert state.step == 3
        for name, tensor in straight[-1].tensors.items():
            assert torch.equal(state.tensors[name], tensor), (saved.step, name)
    assert np.array_equal(FAMILY.decode(recipe, parts, state), frames)


def test_a_firmly_held_first_frame_stays_what_the_vae_made_of_it(parts) -> None:
    recipe = recipe_for(parts, [(0, 1.0)])
    *_, state = FAMILY.denoise(recipe, parts, [PICTURE], 8)
    shape = positions.latent_shape(from_options(recipe.options), 64, 64, 9)
    drawn = positions.unpack(state.tensors["latents"], shape)[:, :, :1]
    noise = SeededNoise(8)
    noise.draw((1, shape[0] * shape[1] * shape[2], 16))
    pixels = torch.from_numpy(PICTURE).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    with torch.no_grad():
        held = latents.encode(parts.vae, pixels, noise)
    added = (drawn - held).std().item()
    assert added == pytest.approx(0.15 * recipe.sigmas[-1] ** 2, rel=0.2)


@pytest.mark.parametrize(
    ("conditions", "given", "num_frames", "extra"),
    [([(0, 1.0), (8, 1.0)], [PICTURE, PICTURE], 9, 16), ([(0, 1.0)], [CLIP], 17, 0), ([(8, 1.0)], [CLIP], 17, 32)],
)
def test_keyframes_and_extensions_are_drawn(parts, conditions, given, num_frames, extra) -> None:
    recipe = recipe_for(parts, conditions, num_frames=num_frames)
    *_, state = FAMILY.denoise(recipe, parts, given, 8)
    latent_frames = (num_frames - 1) // 4 + 1
    assert state.tensors["latents"].shape == (1, latent_frames * 16 + extra, 16)
    frames = FAMILY.decode(recipe, parts, state)
    assert frames.shape == (num_frames, 64, 64, 3)
    bare = recipe_for(parts, num_frames=num_frames)
    *_, free = FAMILY.denoise(bare, parts, [], 8)
    assert not np.array_equal(FAMILY.decode(bare, parts, free), frames)


def test_a_condition_out_of_place_is_refused(parts) -> None:
    for conditions, given, complaint in [([(9, 1.0)], [PICTURE], "0 to 8"), ([(2, 1.0)], [CLIP], "multiples of 4")]:
        with pytest.raises(UserError, match=complaint):
            next(iter(FAMILY.denoise(recipe_for(parts, conditions), parts, given, 8)))


@pytest.mark.parametrize(("given", "frame", "expected"), [(9, 0, 9), (10, 0, 9), (99, 0, 33), (99, 8, 25), (3, 0, 1)])
def test_clips_are_cut_to_what_fits(parts, given, frame, expected) -> None:
    assert conditioning.trimmed_length(given, frame, 33, from_options(parts.variant.options)) == expected


def test_what_of_a_prompt_is_not_read_is_told(parts) -> None:
    words, shape = "a red cat jumping in the sea at night", Shape(64, 64, 9, 8.0)
    (note,) = FAMILY.plan(Request(prompt=f"{words} {words}"), parts.variant, shape, "").notes[:1]
    assert "T5 reads 16 tokens of the prompt" in note and "sea at night" in note
    assert not FAMILY.plan(Request(prompt=words, negative_prompt=""), parts.variant, shape, "").notes


def test_passes_that_count_for_nothing_are_not_run(parts, monkeypatch) -> None:
    sizes = []
    forward = parts.transformer.forward
    monkeypatch.setattr(
        parts.transformer, "forward", lambda **given: sizes.append(len(given["hidden_states"])) or forward(**given)
    )
    list(FAMILY.denoise(recipe_for(parts, steps=1), parts, [], 8))
    list(FAMILY.denoise(recipe_for(parts, steps=1, guidance=1.0), parts, [], 8))
    list(FAMILY.denoise(recipe_for(parts, steps=1, guidance=1.0, stg=1.0, stg_blocks=(0,)), parts, [], 8))
    assert sizes == [2, 1, 1, 1]


def test_half_precision_keeps_latents_in_full(folder) -> None:
    parts = FAMILY.load(folder, FAMILY.identify(folder), "bfloat16", "cpu")
    recipe = recipe_for(parts, [(0, 1.0)])
    *_, state = FAMILY.denoise(recipe, parts, [PICTURE], 8)
    assert state.tensors["latents"].dtype == torch.float32
    assert FAMILY.decode(recipe, parts, state).std() > 0


def lora_tensors(prefix: str, module: str, down="lora_A", up="lora_B", features=32) -> dict[str, torch.Tensor]:
    torch.manual_seed(6)
    return {
        f"{prefix}{module}.{down}.weight": torch.randn(4, features),
        f"{prefix}{module}.{up}.weight": torch.randn(32, 4),
    }


def drawn_with(parts: Parts, *loras) -> torch.Tensor:
    plain = [{"path": str(path), "scale": scale, "sha256": ""} for path, scale in loras]
    recipe = recipe_for(parts, loras=plain, steps=2)
    *_, state = FAMILY.denoise(recipe, FAMILY.equip(parts, recipe), [], 8)
    FAMILY.equip(parts, dataclasses.replace(recipe, loras=()))
    return state.tensors["latents"]


MODULE = "transformer_blocks.1.attn1.to_q"


def test_a_lora_changes_what_is_drawn_by_its_scale_and_is_taken_off_again(parts, tmp_path) -> None:
    path = tmp_path / "style.safetensors"
    save_file(lora_tensors("transformer.", MODULE), path)
    bare = drawn_with(parts)
    full, half = drawn_with(parts, (path, 1.0)), drawn_with(parts, (path, 0.5))
    assert not torch.allclose(full, bare)
    assert not torch.allclose(half, full)
    assert torch.equal(drawn_with(parts), bare)
    torch.testing.assert_close(drawn_with(parts, (path, 0.0)), bare)
    torch.testing.assert_close(drawn_with(parts, (path, 0.5), (path, 0.5)), full, atol=1e-4, rtol=1e-4)


def test_a_lora_is_its_product_added_to_the_weights(parts, tmp_path) -> None:
    path = tmp_path / "style.safetensors"
    tensors = lora_tensors("transformer.", MODULE)
    save_file({**tensors, f"transformer.{MODULE}.alpha": torch.tensor(2.0)}, path)
    laid = drawn_with(parts, (path, 0.8))
    stock = load.with_stock(parts)
    drawn_with(stock)
    weight = stock.transformer.get_submodule(MODULE).weight
    before = weight.clone()
    down, up = tensors.values()
    with torch.no_grad():
        weight += 0.8 * 2 / 4 * up @ down
    merged = drawn_with(stock)
    with torch.no_grad():
        weight.copy_(before)
    torch.testing.assert_close(laid, merged, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("prefix", "module", "directions"),
    [
        ("diffusion_model.", MODULE, ("lora_A", "lora_B")),
        ("model.diffusion_model.", MODULE, ("lora_down", "lora_up")),
        ("base_model.model.", MODULE, ("lora_A", "lora_B")),
        ("", MODULE, ("lora_A", "lora_B")),
    ],
)
def test_the_names_of_other_tools_are_understood(parts, tmp_path, prefix, module, directions) -> None:
    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "theirs.safetensors"
    save_file(lora_tensors("transformer.", MODULE), ours)
    save_file(lora_tensors(prefix, module, *directions), theirs)
    FAMILY.check_lora(theirs)
    assert torch.equal(drawn_with(parts, (theirs, 1.0)), drawn_with(parts, (ours, 1.0)))


@pytest.mark.parametrize(
    ("tensors", "complaint"),
    [
        (lora_tensors("transformer.", "transformer_blocks.9.attn1.to_q"), "no layer"),
        (lora_tensors("transformer.", MODULE, features=48), "32 features, not 48"),
        (dict([lora_tensors("transformer.", MODULE).popitem()]), "no lora_A"),
        (dict([next(iter(lora_tensors("transformer.", MODULE).items()))]), "incomplete"),
    ],
)
def test_a_lora_that_does_not_fit_is_a_model_error(parts, tmp_path, tensors, complaint) -> None:
    path = tmp_path / "bad.safetensors"
    save_file(tensors, path)
    with pytest.raises(ModelError, match=complaint):
        drawn_with(parts, (path, 1.0))
    assert not getattr(parts.transformer, "peft_config", {})


def test_what_is_no_lora_is_refused_by_its_header(tmp_path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"transformer.proj_in.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(UserError, match="neither a lora_A"):
        FAMILY.check_lora(path)
    (tmp_path / "picture.png").write_bytes(b"x")
    with pytest.raises(UserError, match="not a readable"):
        FAMILY.check_lora(tmp_path / "picture.png")
    with pytest.raises(UserError, match="not a readable"):
        FAMILY.check_lora(tmp_path / "missing.safetensors")
