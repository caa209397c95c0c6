"""LoRAs of every naming over Wan: laid whole or not at all, beside diffusers' own conversion, taken off again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from diffusers.loaders.lora_conversion_utils import (
    _convert_musubi_wan_lora_to_diffusers,
    _convert_non_diffusers_wan_lora_to_diffusers,
)
from safetensors.torch import save_file

from praxino.errors import ModelError, UserError
from praxino.families.wan import FAMILY, lora
from praxino.recipe import Lora

from .conftest import last, recipe_of

LAYERS = {
    "blocks.0.self_attn.q": "blocks.0.attn1.to_q",
    "blocks.1.self_attn.o": "blocks.1.attn1.to_out.0",
    "blocks.1.cross_attn.k": "blocks.1.attn2.to_k",
    "blocks.2.ffn.0": "blocks.2.ffn.net.0.proj",
    "blocks.2.ffn.2": "blocks.2.ffn.net.2",
}
RANK = 4
WHOLE = {
    f"blocks.{block}.{name}": f"blocks.{block}.{target}"
    for block in range(3)
    for name, target in {
        **{
            f"self_attn.{own}": f"attn1.{other}"
            for own, other in zip("qkvo", ("to_q", "to_k", "to_v", "to_out.0"), strict=True)
        },
        **{
            f"cross_attn.{own}": f"attn2.{other}"
            for own, other in zip("qkvo", ("to_q", "to_k", "to_v", "to_out.0"), strict=True)
        },
        "ffn.0": "ffn.net.0.proj",
        "ffn.2": "ffn.net.2",
    }.items()
}
"""Every layer of the blocks: diffusers reads no musubi file with less."""


def weights(transformer, *, outer: bool = False, layers=LAYERS) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """A and B by the authors' names."""
    generator = torch.Generator().manual_seed(8)
    layers = {**layers, **({"text_embedding.0": "condition_embedder.text_embedder.linear_1"} if outer else {})}
    made = {}
    for name, target in layers.items():
        rows, columns = transformer.get_submodule(target).weight.shape
        draws = torch.randn(RANK, columns, generator=generator), torch.randn(rows, RANK, generator=generator)
        made[name] = (draws[0] * 0.3, draws[1] * 0.3)
    return made


def file_of(kind: str, made, alpha: float | None = None) -> dict[str, torch.Tensor]:
    tensors = {}
    for name, (A, B) in made.items():
        if kind == "kohya":
            stem = "lora_unet_" + name.replace(".", "_")
            tensors |= {f"{stem}.lora_down.weight": A, f"{stem}.lora_up.weight": B}
        elif kind == "diffusers":
            stem = "transformer." + LAYERS.get(name, "condition_embedder.text_embedder.linear_1")
            tensors |= {f"{stem}.lora_A.weight": A, f"{stem}.lora_B.weight": B}
        elif kind == "comfy":
            stem = f"diffusion_model.{name}"
            tensors |= {f"{stem}.lora_down.weight": A, f"{stem}.lora_up.weight": B}
        else:
            stem = name
            tensors |= {f"{stem}.lora_A.default.weight": A, f"{stem}.lora_B.default.weight": B}
        if alpha is not None:
            tensors[f"{stem}.alpha"] = torch.tensor(alpha)
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def laid(parts, recipe, path: Path | None, scale: float = 1.0):
    loras = () if path is None else (Lora(str(path), scale, ""),)
    return FAMILY.equip(parts, dataclasses.replace(recipe, loras=loras))


def drawn(recipe, parts) -> torch.Tensor:
    return last(FAMILY.denoise(recipe, parts, [], 3)).tensors["latents"]


@pytest.mark.parametrize("kind", ["comfy", "kohya", "diffusers", "original"])
def test_every_naming_is_merging_by_hand_and_leaves_no_trace(loaded, tmp_path, kind) -> None:
    variant, parts = loaded("wan2.1-t2v-1.3b")
    recipe = recipe_of(variant, steps=2)
    before = drawn(recipe, parts)
    made = weights(parts.transformer, outer=True)
    save_file(file_of(kind, made, alpha=2.0), tmp_path / "lora.safetensors")
    assert FAMILY.check_lora(tmp_path / "lora.safetensors") is None
    given = drawn(recipe, laid(parts, recipe, tmp_path / "lora.safetensors", 0.7))
    assert torch.equal(drawn(recipe, laid(parts, recipe, None)), before)
    targets = {**LAYERS, "text_embedding.0": "condition_embedder.text_embedder.linear_1"}
    kept = {}
    for name, (A, B) in made.items():
        weight = parts.transformer.get_submodule(targets[name]).weight
        kept[name] = weight.data
        weight.data = weight.data + 0.7 * 2.0 / RANK * B @ A
    merged = drawn(recipe, parts)
    for name, data in kept.items():
        parts.transformer.get_submodule(targets[name]).weight.data = data
    assert (given - before).norm() > 0.05 * before.norm()
    torch.testing.assert_close(given, merged, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("kind", "convert"), [
    ("comfy", _convert_non_diffusers_wan_lora_to_diffusers), ("kohya", _convert_musubi_wan_lora_to_diffusers),
])  # fmt: skip
def test_names_and_alphas_are_diffusers_conversion(loaded, tmp_path, kind, convert) -> None:
    _, parts = loaded("wan2.1-t2v-1.3b")
    tensors = file_of(kind, weights(parts.transformer, layers=WHOLE), alpha=3.0)
    save_file(tensors, tmp_path / "lora.safetensors")
    ours = {}
    for (expert, target), layer in lora.read(tmp_path / "lora.safetensors").items():
        assert expert == "all"
        scale = float(layer.tensors["alpha"]) / RANK
        ours[target] = scale * layer.tensors["B"] @ layer.tensors["A"]
    theirs = convert(dict(tensors))
    stems = {name.removesuffix(".lora_A.weight") for name in theirs if name.endswith("lora_A.weight")}
    assert {stem.removeprefix("transformer.") for stem in stems} == set(ours)
    for stem in stems:
        product = theirs[f"{stem}.lora_B.weight"] @ theirs[f"{stem}.lora_A.weight"]
        torch.testing.assert_close(ours[stem.removeprefix("transformer.")], product, rtol=1e-4, atol=1e-5)


def test_what_a_distillation_lora_adds_outright_is_laid_too(loaded, tmp_path) -> None:
    variant, parts = loaded("wan2.1-t2v-1.3b")
    recipe = recipe_of(variant, steps=4, guidance=1.0, scheduler="euler")
    assert recipe.sigmas == pytest.approx((1.0, 15 / 16, 5 / 6, 5 / 8))
    before = drawn(recipe, parts)
    generator = torch.Generator().manual_seed(2)
    wholes = {
        "blocks.0.self_attn.norm_q.diff": parts.transformer.blocks[0].attn1.norm_q.weight,
        "blocks.0.norm3.diff": parts.transformer.blocks[0].norm2.weight,
        "blocks.0.norm3.diff_b": parts.transformer.blocks[0].norm2.bias,
        "blocks.0.modulation.diff": parts.transformer.blocks[0].scale_shift_table,
        "blocks.0.ffn.0.diff_b": parts.transformer.blocks[0].ffn.net[0].proj.bias,
        "patch_embedding.diff": parts.transformer.patch_embedding.weight,
        "head.head.diff": parts.transformer.proj_out.weight,
        "head.modulation.diff": parts.transformer.scale_shift_table,
    }
    tensors = {name: torch.randn(own.shape, generator=generator) * 0.1 for name, own in wholes.items()}
    pairs = file_of("comfy", weights(parts.transformer))
    path = tmp_path / "lora.safetensors"
    save_file({**{f"diffusion_model.{name}": tensor for name, tensor in tensors.items()}, **pairs}, path)
    given = drawn(recipe, laid(parts, recipe, path, 0.5))
    assert torch.equal(drawn(recipe, laid(parts, recipe, None)), before)
    save_file(pairs, tmp_path / "pairs.safetensors")
    for name, own in wholes.items():
        own.data = own.data + 0.5 * tensors[name]
    merged = drawn(recipe, laid(parts, recipe, tmp_path / "pairs.safetensors", 0.5))
    for name, own in wholes.items():
        own.data = own.data - 0.5 * tensors[name]
    laid(parts, recipe, None)
    torch.testing.assert_close(given, merged, rtol=1e-3, atol=1e-4)


def test_a_lora_of_two_files_goes_to_the_transformer_that_each_is_named_for(loaded, tmp_path) -> None:
    variant, parts = loaded("wan2.2-t2v-a14b")
    recipe = recipe_of(variant, sigmas=(0.95, 0.5))
    tensors = file_of("comfy", weights(parts.transformer))

    def changed(name: str, tensors=tensors) -> list[bool]:
        save_file(tensors, tmp_path / f"{name}.safetensors")
        laid(parts, recipe, tmp_path / f"{name}.safetensors")
        found = [bool(one.blocks[0].attn1.to_q._forward_hooks) for one in parts.transformers]
        laid(parts, recipe, None)
        return found

    assert changed("any") == [True, True]
    assert changed("high_noise_model") == [True, False]
    assert changed("low_noise_model") == [False, True]
    own = {name.replace("diffusion_model.", ""): tensor for name, tensor in tensors.items()}
    q = {name.replace("blocks.0.self_attn.q", "transformer_2.blocks.0.attn1.to_q"): t for name, t in own.items()
         if "blocks.0.self_attn.q" in name}  # fmt: skip
    assert changed("both", q) == [False, True]


def test_blocks_are_chosen_and_a_scale_of_nothing_lays_nothing(loaded, tmp_path) -> None:
    variant, parts = loaded("wan2.1-t2v-1.3b")
    path = tmp_path / "lora.safetensors"
    save_file(file_of("comfy", weights(parts.transformer)), path)
    chosen = recipe_of(variant, lora_blocks="blocks.0.*", lora=("lora.safetensors",))
    laid(parts, chosen, path)
    assert parts.transformer.blocks[0].attn1.to_q._forward_hooks
    assert not parts.transformer.blocks[2].ffn.net[2]._forward_hooks
    laid(parts, chosen, path, 0.0)
    assert not parts.transformer.blocks[0].attn1.to_q._forward_hooks
    with pytest.raises(ModelError, match="lora-blocks"):
        laid(parts, recipe_of(variant, lora_blocks="nothing.*", lora=("a",)), path)
    laid(parts, chosen, None)


@pytest.mark.parametrize(("change", "message"), [
    (lambda made: {**made, "blocks.0.self_attn.q.lora_magnitude": torch.ones(1)}, "belong to no layer"),
    (lambda made: {**made, "single_blocks.0.linear1.lora_A.weight": torch.ones(1, 1)}, "belong to no layer"),
    (lambda made: {name: t for name, t in made.items() if "lora_down" not in name}, "no lora_A"),
])  # fmt: skip
def test_files_that_hold_something_else_are_refused_by_their_header(loaded, tmp_path, change, message) -> None:
    _, parts = loaded("wan2.1-t2v-1.3b")
    path = tmp_path / "lora.safetensors"
    save_file(change(file_of("comfy", weights(parts.transformer))), path)
    with pytest.raises(UserError, match=message):
        FAMILY.check_lora(path)


@pytest.mark.parametrize(("change", "message"), [
    (lambda made: {**made, "blocks.9.ffn.0.lora_A.weight": torch.ones(4, 32)}, "not both"),
    (lambda made: {**made, "blocks.9.ffn.0.diff_b": torch.ones(32)}, "has no layer 'blocks.9"),
    (lambda made: {**made, "blocks.0.cross_attn.k_img.diff_b": torch.ones(32)}, "has no layer"),
    (lambda made: {**made, "blocks.0.ffn.0.diff_b": torch.ones(7)}, "diff_b"),
])  # fmt: skip
def test_a_file_that_does_not_fit_is_laid_in_no_part(loaded, tmp_path, change, message) -> None:
    variant, parts = loaded("wan2.1-t2v-1.3b")
    path = tmp_path / "lora.safetensors"
    save_file(change(file_of("comfy", weights(parts.transformer))), path)
    with pytest.raises(ModelError, match=message):
        laid(parts, recipe_of(variant), path)
    assert not parts.laid and not parts.transformer.blocks[0].attn1.to_q._forward_hooks
