"""LoRAs over the stock families that are transformers, against weights changed by hand and diffusers' translations."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from praxino.errors import ModelError, UserError

LAYERS = {
    "sd3": ("transformer_blocks.0.attn.add_q_proj", "transformer_blocks.1.ff.net.0.proj", "proj_out"),
    "flux2": ("transformer_blocks.0.attn.to_q", "single_transformer_blocks.0.attn.to_qkv_mlp_proj", "x_embedder"),
    "qwen-image": ("transformer_blocks.0.attn.to_out.0", "transformer_blocks.0.img_mlp.net.2", "img_in"),
    "qwen-image-2.1": ("transformer_blocks.0.attn.to_out.0", "transformer_blocks.1.img_mlp.proj", "modulation.1"),
    "z-image": ("layers.0.attention.to_v", "noise_refiner.0.adaLN_modulation.0", "context_refiner.0.feed_forward.w2"),
    "lumina-image-2": ("layers.1.attn.to_k", "noise_refiner.0.feed_forward.linear_2", "x_embedder"),
    "auraflow": ("joint_transformer_blocks.0.attn.to_q", "single_transformer_blocks.0.ff.linear_1", "norm_out.linear"),
    "hunyuan-dit": ("blocks.0.attn1.to_q", "blocks.1.ff.net.2", "blocks.3.skip_linear"),
}
"""Three layers of each family, none of them like another."""
RANKS, ALPHAS, SCALE = (2, 3, 4), (1.0, 6.0, 3.0), 0.3


def lora(model: Any, layers: tuple[str, ...]) -> dict[str, dict[str, torch.Tensor]]:
    """Down, up and alpha of each layer, of different ranks and alphas."""
    generator = torch.Generator().manual_seed(5)
    found = {}
    for layer, rank, alpha in zip(layers, RANKS, ALPHAS, strict=False):
        weight = model.parts.base.transformer.get_submodule(layer).weight
        down, up = torch.randn(rank, weight.shape[1], generator=generator), torch.randn(len(weight), rank)
        found[layer] = {"down": down, "up": up.normal_(generator=generator), "alpha": torch.tensor(alpha)}
    return found


def kohya(found: dict[str, dict[str, torch.Tensor]], prefix: str = "lora_unet_") -> dict[str, torch.Tensor]:
    names = {"down": "lora_down.weight", "up": "lora_up.weight", "alpha": "alpha"}
    return {
        f"{prefix}{layer.replace('.', '_')}.{names[side]}": tensor
        for layer, tensors in found.items()
        for side, tensor in tensors.items()
    }


def dotted(found: dict[str, dict[str, torch.Tensor]], prefix: str) -> dict[str, torch.Tensor]:
    names = {"down": "lora_A.weight", "up": "lora_B.weight", "alpha": "alpha"}
    return {
        f"{prefix}{layer}.{names[side]}": tensor for layer, tensors in found.items() for side, tensor in tensors.items()
    }


def saved(tensors: dict[str, torch.Tensor], file: Path, metadata: dict[str, str] | None = None) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file, metadata)
    return file


def latents(model: Any, **wish: Any) -> torch.Tensor:
    """Those of the last step."""
    recipe = model.recipe(**wish)
    *_, state = model.family.denoise(recipe, model.family.equip(model.parts, recipe), [], 7)
    return state.tensors["latents"]


def changed(model: Any, found: dict[str, dict[str, torch.Tensor]], scale: float) -> torch.Tensor:
    """Latents of the weights W + scale alpha / rank up down."""
    network = model.family.equip(model.parts, model.recipe()).base.transformer
    kept = {layer: network.get_submodule(layer).weight for layer in found}
    for layer, side in found.items():
        product = side["up"] @ side["down"] * (scale * float(side["alpha"]) / len(side["down"]))
        network.get_submodule(layer).weight = torch.nn.Parameter(kept[layer] + product, requires_grad=False)
    drawn = latents(model)
    for layer, weight in kept.items():
        network.get_submodule(layer).weight = weight
    return drawn


@pytest.mark.parametrize("name", LAYERS)
def test_a_lora_is_the_change_of_weights_that_it_stands_for(models, tmp_path, name: str) -> None:
    model = models(name)
    found = lora(model, LAYERS[name])
    plain, wanted = latents(model), changed(model, found, SCALE)
    files = [kohya(found), dotted(found, "transformer."), dotted(found, "diffusion_model.")]
    drawn = []
    for number, tensors in enumerate(files):
        file = saved(tensors, tmp_path / f"{number}.safetensors")
        model.family.check_lora(file)
        drawn.append(latents(model, loras=[(file, SCALE)]))
    assert (drawn[0] - wanted).abs().max() <= 2e-4 * wanted.abs().max()
    assert (plain - wanted).abs().max() > 0.01 * wanted.abs().max()
    assert all(torch.equal(drawn[0], other) for other in drawn[1:])
    assert torch.equal(latents(model, loras=[(file, 0.0)]), plain)
    assert torch.equal(latents(model), plain)


@pytest.mark.parametrize("name", LAYERS)
def test_several_add_up_and_blocks_are_chosen(models, tmp_path, name: str) -> None:
    model = models(name)
    found = lora(model, LAYERS[name])
    whole = saved(kohya(found), tmp_path / "whole.safetensors")
    first = saved(kohya({LAYERS[name][0]: found[LAYERS[name][0]]}), tmp_path / "first.safetensors")
    wanted = latents(model, loras=[(whole, SCALE)])
    halves = latents(model, loras=[(whole, SCALE / 2), (whole, SCALE / 2)])
    assert (halves - wanted).abs().max() <= 2e-4 * wanted.abs().max()
    filtered = latents(model, loras=[(whole, SCALE)], lora=("x.safetensors",), lora_blocks=f"{LAYERS[name][0]}")
    assert torch.equal(filtered, latents(model, loras=[(first, SCALE)]))
    assert not torch.equal(filtered, wanted)


def test_the_dev_of_flux2_takes_them_too(models, tmp_path, picture) -> None:
    model = models("flux2", "flux2-dev")
    file = saved(kohya(lora(model, LAYERS["flux2"])), tmp_path / "lora.safetensors")
    task, given = "instruction-editing", [("image", picture, 1.0)]
    plain = model.draw(task, given)
    assert not np.array_equal(model.draw(task, given, loras=[(file, 2.0)]), plain)
    assert np.array_equal(model.draw(task, given), plain)


def test_the_editor_of_qwen_image_takes_them_too(models, tmp_path) -> None:
    model = models("qwen-image", "qwen-image-edit")
    found = lora(model, LAYERS["qwen-image"])
    file = saved(kohya(found), tmp_path / "lora.safetensors")
    network = model.family.equip(model.parts, model.recipe("instruction-editing", loras=[(file, 2.0)])).base.transformer
    layer = LAYERS["qwen-image"][2]
    given = torch.randn(1, network.get_submodule(layer).in_features, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        laid = network.get_submodule(layer)(given)
        model.family.equip(model.parts, model.recipe("instruction-editing"))
        side = found[layer]
        added = given @ (side["up"] @ side["down"]).T * (2.0 * float(side["alpha"]) / len(side["down"]))
        assert torch.allclose(laid, network.get_submodule(layer)(given) + added, atol=1e-4)


@pytest.mark.parametrize("name", LAYERS)
def test_what_fits_in_part_or_not_at_all_is_refused_by_its_header(models, tmp_path, name: str) -> None:
    model = models(name)
    tensors = kohya(lora(model, LAYERS[name])) | {"lora_unet_elsewhere.lora_down.weight": torch.zeros(2, 2)}
    with pytest.raises(UserError, match=r"1 of its 10 tensors .* 'lora_unet_elsewhere.lora_down.weight'"):
        model.family.check_lora(saved(tensors, tmp_path / "part.safetensors"))
    other = {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": torch.zeros(2, 2)}
    with pytest.raises(UserError, match=r"looks like one for Stable Diffusion or SDXL\."):
        model.family.check_lora(saved(other, tmp_path / "other.safetensors"))
    deep = {
        re.sub(r"_\d_", "_7_", key, count=1): tensor for key, tensor in kohya(lora(model, LAYERS[name][:1])).items()
    }
    plain = model.draw()
    with pytest.raises(ModelError, match="2 of its 2 weights"):
        model.draw(loras=[(saved(deep, tmp_path / "deep.safetensors"), 1.0)])
    assert np.array_equal(model.draw(), plain)


@pytest.mark.parametrize(
    ("name", "key", "told"),
    [
        ("sd3", "transformer.transformer_blocks.0.img_mlp.net.2.lora_A.weight", "Qwen-Image"),
        ("qwen-image", "lora_unet_joint_blocks_0_x_block_attn_qkv.lora_down.weight", "Stable Diffusion 3"),
        ("z-image", "transformer.single_transformer_blocks.0.proj_mlp.lora_A.weight", "FLUX.1"),
        ("lumina-image-2", "diffusion_model.blocks.0.self_attn.q.lora_A.weight", "Wan"),
        ("auraflow", "diffusion_model.layers.0.attention.qkv.lora_A.weight", "Z-Image or Lumina"),
        ("flux2", "transformer.joint_transformer_blocks.0.attn.to_q.lora_A.weight", "AuraFlow"),
    ],
)  # fmt: skip
def test_the_family_that_it_looks_like_is_named(models, tmp_path, name: str, key: str, told: str) -> None:
    file = saved({key: torch.zeros(2, 2)}, tmp_path / "lora.safetensors")
    with pytest.raises(UserError, match=told):
        models(name).family.check_lora(file)


def test_alphas_in_diffusers_own_metadata_count(models, tmp_path) -> None:
    model, layer = models("sd3"), LAYERS["sd3"][0]
    found = lora(model, (layer,))
    weights = {key: tensor for key, tensor in dotted(found, "transformer.").items() if "alpha" not in key}
    told = {"lora_adapter_metadata": json.dumps({"transformer.r": 2, "transformer.lora_alpha": 1.0})}
    file = saved(weights, tmp_path / "told.safetensors", told)
    same = saved(kohya(found), tmp_path / "kohya.safetensors")
    assert torch.equal(latents(model, loras=[(file, 1.0)]), latents(model, loras=[(same, 1.0)]))


def test_the_text_encoders_of_stable_diffusion_3_take_loras(models, tmp_path) -> None:
    model, plain = models("sd3"), models("sd3").draw()
    torch.manual_seed(0)
    tensors = {
        "lora_te1_text_model_encoder_layers_0_self_attn_v_proj.lora_down.weight": torch.randn(2, 16),
        "lora_te1_text_model_encoder_layers_0_self_attn_v_proj.lora_up.weight": torch.randn(16, 2),
        "text_encoder_2.text_model.encoder.layers.0.mlp.fc1.lora_A.weight": torch.randn(2, 16),
        "text_encoder_2.text_model.encoder.layers.0.mlp.fc1.lora_B.weight": torch.randn(32, 2),
    }
    file = saved(tensors, tmp_path / "lora.safetensors")
    model.family.check_lora(file)
    one = model.draw(loras=[(file, 1.0)])
    part = model.draw(loras=[(file, 1.0)], lora=("x.safetensors",), lora_blocks="text_encoder.*")
    assert not np.array_equal(one, plain) and not np.array_equal(part, one) and not np.array_equal(part, plain)
    assert np.array_equal(model.draw(), plain)


def test_names_of_flux2s_original_code_are_translated(models, tmp_path) -> None:
    """Its fused queries, keys and values become three layers."""
    model = models("flux2")
    network = model.parts.base.transformer
    width = network.get_submodule("transformer_blocks.0.attn.to_q").weight.shape[1]
    generator = torch.Generator().manual_seed(0)
    down, up = torch.randn(2, width, generator=generator), torch.randn(3 * width, 2, generator=generator)
    fused = {"down": down, "up": up, "alpha": torch.tensor(1.0)}
    split = {
        f"transformer_blocks.0.attn.to_{side}": {"down": down, "up": part, "alpha": torch.tensor(1.0)}
        for side, part in zip("qkv", up.chunk(3), strict=True)
    }
    wanted = changed(model, split, SCALE)
    for number, tensors in enumerate(
        (
            kohya({"double_blocks.0.img_attn.qkv": fused}),
            dotted({"double_blocks.0.img_attn.qkv": fused}, "diffusion_model."),
        )
    ):
        file = saved(tensors, tmp_path / f"{number}.safetensors")
        model.family.check_lora(file)
        drawn = latents(model, loras=[(file, SCALE)])
        assert (drawn - wanted).abs().max() <= 2e-4 * wanted.abs().max()


def test_names_of_z_images_original_code_are_translated(models, tmp_path) -> None:
    model = models("z-image")
    found = lora(model, ("layers.0.attention.to_out.0",))
    wanted = changed(model, found, SCALE)
    file = saved(kohya({"layers.0.attention.out": found["layers.0.attention.to_out.0"]}), tmp_path / "a.safetensors")
    model.family.check_lora(file)
    assert (latents(model, loras=[(file, SCALE)]) - wanted).abs().max() <= 2e-4 * wanted.abs().max()


def test_what_diffusers_leaves_out_is_an_error(models, tmp_path) -> None:
    """Its translation of kohya's names drops FLUX.2's modulations with no more than a warning."""
    model = models("flux2")
    weight = model.parts.base.transformer.get_submodule("single_stream_modulation.linear").weight
    found = {
        "down": torch.ones(2, weight.shape[1]), "up": torch.ones(len(weight), 2), "alpha": torch.tensor(1.0)
    }  # fmt: skip
    file = saved(kohya({"single_stream_modulation.lin": found}), tmp_path / "lora.safetensors")
    with pytest.raises(ModelError, match="single_stream_modulation_lin"):
        model.draw(loras=[(file, 1.0)])
