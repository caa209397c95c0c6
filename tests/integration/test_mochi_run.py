"""Mochi's miniature from words to frames: what is read, what is saved, what LoRAs change and leave."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from diffusers import MochiPipeline
from safetensors.torch import load_file, save_file

from praxino.errors import ModelError
from praxino.families import LoopState, Shape
from praxino.families.mochi import FAMILY, run, text
from praxino.recipe import Encoding, Lora, Recipe
from praxino.request import Request
from praxino.sampling.noise import SeededNoise

LAYER = "transformer_blocks.0.attn1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("mochi")
    FAMILY.miniature(path)
    return path


@pytest.fixture(scope="module")
def parts(folder):
    return FAMILY.load(folder, FAMILY.identify(folder), "float32", "cpu")


def recipe_for(folder, **wish) -> Recipe:
    variant = FAMILY.identify(folder)
    assert variant is not None
    shape = Shape(variant.width, variant.height, variant.num_frames, variant.fps)
    sampling = FAMILY.plan(Request(prompt="a red cat", **wish), variant, shape, "text-to-video")
    decided = {field.name: getattr(sampling, field.name) for field in dataclasses.fields(sampling)}
    assert decided.pop("notes") == ()
    return Recipe(
        family="mochi", variant=variant.name, model="miniature", revision="", task="text-to-video",
        prompt="a red cat", caption="a red cat", width=32, height=32, num_frames=7, fps=8.0, guidance=6.0, seed=3, n=1,
        dtype="float32", conditions=(), loras=(), encoding=Encoding("gif", 0, "good", 90, "none", False, False),
        **decided,
    )  # fmt: skip


def last(recipe, parts, state=None) -> LoopState:
    *_, state = FAMILY.denoise(recipe, parts, [], recipe.seed, state)
    return state


@torch.no_grad()
def test_an_empty_negative_prompt_has_no_word_where_stock_has_one(folder, parts):
    start = run.prepare(recipe_for(folder), parts, SeededNoise(3))
    assert start.negative is not None
    assert not start.negative.mask.any() and start.text.mask.any()
    assert start.negative.states.isfinite().all()
    ids = torch.zeros(1, 24, dtype=torch.int64)
    assert torch.equal(start.negative.states, parts.text_encoder(input_ids=ids, attention_mask=ids)[0])
    _, _, _, mask = MochiPipeline.from_pretrained(folder).encode_prompt("a red cat", "", max_sequence_length=24)
    assert mask.any()
    assert text.embed(parts.text_encoder, parts.tokenizer, "blur", 24, parts.device).mask.sum() == 5


@pytest.mark.parametrize("scheduler", ["euler", "euler-ancestral", "dpm++-2m"])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(folder, parts, scheduler):
    recipe = recipe_for(folder, scheduler=scheduler, negative_prompt="blur")
    states = list(FAMILY.denoise(recipe, parts, [], recipe.seed))
    saved = LoopState(2, {name: tensor.clone() for name, tensor in states[2].tensors.items()})
    resumed = last(recipe, parts, saved)
    assert resumed.step == recipe.steps
    for name, tensor in states[-1].tensors.items():
        assert torch.equal(resumed.tensors[name], tensor)


def test_half_precision_is_drawn_with_frequencies_as_in_the_file(folder):
    in_half = FAMILY.load(folder, FAMILY.identify(folder), "bfloat16", "cpu")
    (file,) = (folder / "transformer").glob("*.safetensors")
    assert torch.equal(in_half.transformer.pos_frequencies, load_file(file)["pos_frequencies"])
    assert in_half.transformer.proj_out.weight.dtype == torch.bfloat16
    recipe = recipe_for(folder)
    frames = FAMILY.decode(recipe, in_half, last(recipe, in_half))
    assert frames.shape == (7, 32, 32, 3) and frames.std() > 0


def test_skip_guidance_and_cfg_star_change_what_is_drawn(folder, parts):
    plain = last(recipe_for(folder), parts).tensors["latents"]
    skipping = last(recipe_for(folder, stg=1.0, stg_blocks=(0,), rescale=0.7), parts).tensors["latents"]
    starred = last(recipe_for(folder, cfg_star=True), parts).tensors["latents"]
    assert not torch.equal(plain, skipping) and not torch.equal(plain, starred)
    assert torch.equal(plain, last(recipe_for(folder), parts).tensors["latents"])


def write_lora(path, layer: str, rows: int, columns: int, **alpha: float):
    generator = torch.Generator().manual_seed(1)
    weights = {
        f"transformer.{layer}.lora_A.weight": torch.randn(2, columns, generator=generator),
        f"transformer.{layer}.lora_B.weight": torch.randn(rows, 2, generator=generator),
    }
    weights |= {f"transformer.{layer}.alpha": torch.tensor(value) for value in alpha.values()}
    save_file(weights, path)
    return weights


def drawn_with(parts, recipe, *loras: Lora) -> torch.Tensor:
    FAMILY.equip(parts, dataclasses.replace(recipe, loras=loras))
    try:
        return last(recipe, parts).tensors["latents"]
    finally:
        FAMILY.equip(parts, recipe)


def test_a_lora_is_what_merging_it_would_be_and_leaves_no_trace(folder, parts, tmp_path):
    recipe, path = recipe_for(folder), tmp_path / "lora.safetensors"
    weights = write_lora(path, f"{LAYER}.to_q", 16, 16, alpha=4.0)
    plain = last(recipe, parts).tensors["latents"]
    laid = drawn_with(parts, recipe, Lora(str(path), 0.5, ""))
    assert torch.equal(drawn_with(parts, recipe, Lora(str(path), 0.0, "")), plain)
    assert torch.equal(last(recipe, parts).tensors["latents"], plain)
    layer = parts.transformer.get_submodule(f"{LAYER}.to_q")
    own = layer.weight.data
    down, up, _ = weights.values()
    layer.weight.data = own + 0.5 * (4.0 / 2) * up @ down
    merged = last(recipe, parts).tensors["latents"]
    layer.weight.data = own
    assert not torch.allclose(laid, plain, atol=1e-3)
    assert torch.allclose(laid, merged, atol=1e-5)


def test_genmos_fused_loras_are_cut_by_rows(folder, parts, tmp_path):
    recipe = recipe_for(folder)
    generator = torch.Generator().manual_seed(2)
    A, B = torch.randn(2, 16, generator=generator), torch.randn(48, 2, generator=generator)
    metadata = {"kwargs": json.dumps({"qkv_proj_lora_rank": 2, "qkv_proj_lora_alpha": 4, "out_proj_lora_alpha": 9})}
    fused_weights = {"blocks.0.attn.qkv_x.lora_A": A, "blocks.0.attn.qkv_x.lora_B": B / 2}
    save_file(fused_weights, tmp_path / "fused.safetensors", metadata=metadata)
    parted = {}
    for name, rows in zip(("to_q", "to_k", "to_v"), B.chunk(3), strict=True):
        parted |= {f"{LAYER}.{name}.lora_A.weight": A.clone(), f"{LAYER}.{name}.lora_B.weight": rows.contiguous()}
    save_file(parted, tmp_path / "parted.safetensors")
    fused, apart = (
        drawn_with(parts, recipe, Lora(str(tmp_path / f"{n}.safetensors"), 1.0, "")) for n in ("fused", "parted")
    )
    assert torch.equal(fused, apart)


@pytest.mark.parametrize(
    ("layer", "rows", "columns", "complaint"),
    [
        (f"{LAYER}.to_q", 16, 8, "2x8, not 2x16"),
        (f"{LAYER}.to_q", 9, 16, "9x2, not 16x2"),
        ("transformer_blocks.9.attn1.to_q", 16, 16, "no layer"),
    ],
)
def test_a_lora_that_does_not_fit_is_refused_and_leaves_no_trace(
    folder, parts, tmp_path, layer, rows, columns, complaint
):
    recipe = recipe_for(folder)
    plain = last(recipe, parts).tensors["latents"]
    write_lora(tmp_path / "lora.safetensors", layer, rows, columns)
    with pytest.raises(ModelError, match=complaint):
        FAMILY.equip(parts, dataclasses.replace(recipe, loras=(Lora(str(tmp_path / "lora.safetensors"), 1.0, ""),)))
    assert torch.equal(last(recipe, parts).tensors["latents"], plain)


def test_a_long_prompt_is_said_to_be_cut(folder):
    variant = FAMILY.identify(folder)
    assert variant is not None
    sampling = FAMILY.plan(Request(prompt="a red cat " * 5), variant, Shape(32, 32, 7, 8.0), "text-to-video")
    assert any("does not read" in note for note in sampling.notes)


def test_frames_are_those_of_the_loop(folder, parts):
    recipe = recipe_for(folder)
    frames = FAMILY.decode(recipe, parts, last(recipe, parts))
    assert frames.shape == (7, 32, 32, 3) and frames.dtype == np.uint8
