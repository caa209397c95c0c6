"""LoRAs over the stock families that draw clips, against weights changed by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from praxino.errors import ModelError, UserError

LAYERS = {
    "allegro": ("transformer_blocks.0.attn1.to_q", "transformer_blocks.0.ff.net.2", "caption_projection.linear_1"),
    "easyanimate": ("transformer_blocks.0.attn1.add_q_proj", "transformer_blocks.0.ff.net.2", "proj_out"),
    "svd": (
        "mid_block.attentions.0.temporal_transformer_blocks.0.attn1.to_v",
        "mid_block.attentions.0.transformer_blocks.0.attn2.to_v", "mid_block.resnets.0.temporal_res_block.conv1",
    ),
    "framepack": (
        "transformer_blocks.0.attn.add_k_proj", "single_transformer_blocks.0.proj_out", "image_projection.up",
    ),
    "hunyuan_video_15": (
        "transformer_blocks.0.attn.to_out.0", "transformer_blocks.1.ff.net.0.proj",
        "context_embedder.token_refiner.refiner_blocks.0.attn.to_v",
    ),
}  # fmt: skip
"""Three layers of each family, none of them like another."""
RANKS, ALPHAS, SCALE = (2, 3, 4), (1.0, 6.0, 3.0), 0.3
SIDES = {"kohya": ("lora_down.weight", "lora_up.weight"), "dotted": ("lora_A.weight", "lora_B.weight")}
Lora = dict[str, tuple[torch.Tensor, torch.Tensor, float]]
"""Down, up and alpha by layer."""


def network(model: Any) -> Any:
    return model.parts.base.components.get("transformer") or model.parts.base.unet


def lora(model: Any, layers: tuple[str, ...]) -> Lora:
    """Of different ranks and alphas."""
    generator = torch.Generator().manual_seed(5)
    found = {}
    for layer, rank, alpha in zip(layers, RANKS, ALPHAS, strict=False):
        weight = network(model).get_submodule(layer).weight
        down = torch.randn(rank, *weight.shape[1:], generator=generator)
        up = torch.randn(len(weight), rank, *(1,) * (weight.ndim - 2), generator=generator)
        found[layer] = (down, up, alpha)
    return found


def saved(found: Lora, file: Path, prefix: str = "lora_unet_") -> Path:
    """With underscores and kohya's names where the prefix ends in one, else with dots."""
    flat = prefix.endswith("_")
    tensors = {}
    for layer, (down, up, alpha) in found.items():
        start = prefix + (layer.replace(".", "_") if flat else layer)
        names = SIDES["kohya" if flat else "dotted"]
        tensors |= {f"{start}.{names[0]}": down, f"{start}.{names[1]}": up, f"{start}.alpha": torch.tensor(alpha)}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    return file


def latents(model: Any, **wish: Any) -> torch.Tensor:
    """Those after the first step."""
    task = model.variant.tasks[0]
    side = model.variant.width
    shown = np.random.default_rng(3).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    given = [("frame", shown, 1.0, 0)] if task == "image-to-video" else []
    recipe = model.recipe(task, given, steps=2, **wish)
    parts = model.family.equip(model.parts, recipe)
    states = model.family.denoise(recipe, parts, [frames for _, frames, *_ in given], 7)
    next(states)
    found = next(states).tensors["latents"].clone()
    states.close()
    return found


@contextmanager
def merged(model: Any, found: Lora, scale: float) -> Iterator[None]:
    """While it lasts, the weights are W + scale alpha / rank up down."""
    model.family.equip(model.parts, model.recipe(model.variant.tasks[0]))
    kept = {layer: network(model).get_submodule(layer).weight for layer in found}
    for layer, (down, up, alpha) in found.items():
        product = (up.flatten(1) @ down.flatten(1)).reshape(kept[layer].shape) * (scale * alpha / len(down))
        network(model).get_submodule(layer).weight = torch.nn.Parameter(kept[layer] + product, requires_grad=False)
    try:
        yield
    finally:
        for layer, weight in kept.items():
            network(model).get_submodule(layer).weight = weight


def check_same(drawn: torch.Tensor, wanted: torch.Tensor) -> None:
    assert (drawn - wanted).abs().max() <= 2e-4 * wanted.abs().max()


@pytest.mark.parametrize("name", LAYERS)
def test_a_lora_is_the_change_of_weights_that_it_stands_for(models, tmp_path, name: str) -> None:
    model = models(name)
    found = lora(model, LAYERS[name])
    plain = latents(model)
    with merged(model, found, SCALE):
        wanted = latents(model)
    assert (plain - wanted).abs().max() > 0.01 * wanted.abs().max()
    drawn = []
    for number, prefix in enumerate(("lora_unet_", "transformer.", "diffusion_model.")):
        file = saved(found, tmp_path / f"{number}.safetensors", prefix)
        assert model.family.check_lora(file) is None
        drawn.append(latents(model, loras=[(file, SCALE)]))
    check_same(drawn[0], wanted)
    assert all(torch.equal(drawn[0], other) for other in drawn[1:])
    assert torch.equal(latents(model, loras=[(tmp_path / "0.safetensors", 0.0)]), plain)
    assert torch.equal(latents(model), plain)


@pytest.mark.parametrize("name", LAYERS)
def test_several_add_up_and_blocks_are_chosen(models, tmp_path, name: str) -> None:
    model = models(name)
    found = lora(model, LAYERS[name])
    whole = saved(found, tmp_path / "whole.safetensors")
    parts = [saved({layer: found[layer]}, tmp_path / f"{layer}.safetensors") for layer in LAYERS[name]]
    given = [(part, scale) for part, scale in zip(parts, (SCALE, 0.5, 0.0), strict=True)]
    with merged(model, {LAYERS[name][0]: found[LAYERS[name][0]]}, SCALE):
        alone = latents(model)
        with merged(model, {LAYERS[name][1]: found[LAYERS[name][1]]}, 0.5):
            both = latents(model)
    check_same(latents(model, loras=given), both)
    filtered = latents(model, loras=[(whole, SCALE)], lora=("x.safetensors",), lora_blocks=LAYERS[name][0])
    check_same(filtered, alone)
    assert torch.equal(filtered, latents(model, loras=given[:1]))
    assert not torch.equal(alone, both)


@pytest.mark.parametrize("name", LAYERS)
def test_what_fits_in_part_or_not_at_all_is_refused(models, tmp_path, name: str) -> None:
    model = models(name)
    found = lora(model, LAYERS[name])
    stray = found | {"elsewhere": (torch.zeros(2, 2), torch.zeros(2, 2), 1.0)}
    with pytest.raises(UserError, match=r"3 of its 12 tensors .* 'lora_unet_elsewhere.(alpha|lora_down.weight)'"):
        model.family.check_lora(saved(stray, tmp_path / "stray.safetensors"))
    encoder = {"text_encoder.layers.0.self_attn.q_proj": found[LAYERS[name][0]]}
    with pytest.raises(UserError, match="3 of its 3 tensors"):
        model.family.check_lora(saved(encoder, tmp_path / "encoder.safetensors", "diffusion_model."))
    plain = latents(model)
    down, up, alpha = found[LAYERS[name][0]]
    wide = {LAYERS[name][0]: (down.repeat(1, 2), up, alpha)}
    with pytest.raises(ModelError, match="2 of its 2 weights"):
        latents(model, loras=[(saved(wide, tmp_path / "wide.safetensors"), 1.0)])
    assert torch.equal(latents(model), plain)


@pytest.mark.parametrize("name", LAYERS)
def test_every_variant_says_that_it_takes_them(models, name: str) -> None:
    assert all("lora" in variant.steering for variant in models(name).family.variants.values())


@pytest.mark.parametrize("like", ["easyanimate-5.1-inpaint", "easyanimate-5.1-control"])
def test_easyanimates_others_take_them_too(models, tmp_path, like: str) -> None:
    model = models("easyanimate", like)
    layer = LAYERS["easyanimate"][1]
    file = saved(lora(model, (layer,)), tmp_path / "lora.safetensors")
    recipe = model.recipe("text-to-video", loras=[(file, 2.0)])
    module = model.family.equip(model.parts, recipe).base.transformer.get_submodule(layer)
    down, up, alpha = lora(model, (layer,))[layer]
    given = torch.randn(1, down.shape[1], generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        laid = module(given)
        model.family.equip(model.parts, model.recipe("text-to-video"))
        plain = network(model).get_submodule(layer)(given)
    assert torch.allclose(laid, plain + given @ (up @ down).T * (2 * alpha / 2), atol=1e-4)


def test_easyanimates_authors_have_the_texts_attention_apart(models, tmp_path) -> None:
    model = models("easyanimate")
    layers = {"to_q": "add_q_proj", "to_v": "add_v_proj", "to_out.0": "to_add_out"}
    found = lora(model, tuple(f"transformer_blocks.0.attn1.{theirs}" for theirs in layers.values()))
    named = {f"transformer_blocks.0.attn2.{own}": pair for own, pair in zip(layers, found.values(), strict=True)}
    file = saved(named, tmp_path / "lora.safetensors", "lora_unet__")
    model.family.check_lora(file)
    with merged(model, found, SCALE):
        wanted = latents(model)
    check_same(latents(model, loras=[(file, SCALE)]), wanted)


@pytest.mark.parametrize(("width", "told"), [(768, "Stable Diffusion 1"), (2048, "SDXL")])
def test_svd_takes_none_that_reads_words_of_another_width(models, tmp_path, width: int, told: str) -> None:
    layer = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    found = {layer: (torch.zeros(2, width), torch.zeros(320, 2), 1.0)}
    with pytest.raises(UserError, match=f"a LoRA for {told}, not for Stable Video Diffusion"):
        models("svd").family.check_lora(saved(found, tmp_path / "lora.safetensors"))


Names = dict[str, tuple[str, ...]]
"""A layer's name in a file, and the network's layers whose rows it has."""
TENCENT: Names = {
    "double_blocks.0.img_attn_qkv": tuple(f"transformer_blocks.0.attn.to_{side}" for side in "qkv"),
    "single_blocks.0.linear1": (
        *(f"single_transformer_blocks.0.attn.to_{side}" for side in "qkv"), "single_transformer_blocks.0.proj_mlp",
    ),
    "double_blocks.1.txt_mlp.fc1": ("transformer_blocks.1.ff_context.net.0.proj",),
}  # fmt: skip
LATER: Names = {
    "double_blocks.0.img_attn_q": ("transformer_blocks.0.attn.to_q",),
    "double_blocks.0.txt_attn_v": ("transformer_blocks.0.attn.add_v_proj",),
    "double_blocks.1.img_mod.linear": ("transformer_blocks.1.norm1.linear",),
    "time_in.mlp.2": ("time_embed.timestep_embedder.linear_2",),
    "byt5_in.fc3": ("context_embedder_2.linear_3",),
}
COMFY: Names = {
    "double_blocks.0.img_attn.qkv": tuple(f"transformer_blocks.0.attn.to_{side}" for side in "qkv"),
    "double_blocks.0.img_mlp.0": ("transformer_blocks.0.ff.net.0.proj",),
}


@pytest.mark.parametrize("prefix", ["lora_unet_", "diffusion_model."])
@pytest.mark.parametrize(
    ("name", "names"),
    [("framepack", TENCENT), ("framepack", COMFY), ("hunyuan_video_15", LATER), ("hunyuan_video_15", COMFY)],
)
def test_names_of_hunyuans_own_code_are_translated(models, tmp_path, name: str, names: Names, prefix: str) -> None:
    """A fused layer's rows are those of several of the network's."""
    model = models(name)
    generator = torch.Generator().manual_seed(6)
    fused, split = {}, {}
    for number, (layer, targets) in enumerate(names.items()):
        weights = [network(model).get_submodule(target).weight for target in targets]
        rows, rank, alpha = [len(weight) for weight in weights], 2 + number, 1.0 + 2 * number
        down = torch.randn(rank, weights[0].shape[1], generator=generator)
        up = torch.randn(sum(rows), rank, generator=generator)
        fused[layer] = (down, up, alpha)
        split |= {target: (down, part, alpha) for target, part in zip(targets, up.split(rows), strict=True)}
    file = saved(fused, tmp_path / "lora.safetensors", prefix)
    model.family.check_lora(file)
    plain = latents(model)
    with merged(model, split, SCALE):
        wanted = latents(model)
    check_same(latents(model, loras=[(file, SCALE)]), wanted)
    assert (plain - wanted).abs().max() > 0.01 * wanted.abs().max()


@pytest.mark.parametrize("name", ["framepack", "hunyuan_video_15"])
def test_the_last_modulations_rows_lie_otherwise(models, tmp_path, name: str) -> None:
    """Shift comes before scale in Tencent's, after it in diffusers', whose own translation is the oracle."""
    from diffusers.loaders.single_file_utils import convert_hunyuan_video_transformer_to_diffusers

    model = models(name)
    norm_out = network(model).norm_out.linear
    generator = torch.Generator().manual_seed(8)
    down = torch.randn(2, norm_out.in_features, generator=generator)
    up = torch.randn(norm_out.out_features, 2, generator=generator)
    key = "final_layer.adaLN_modulation.1.weight"
    change = convert_hunyuan_video_transformer_to_diffusers({key: up @ down})["norm_out.linear.weight"]
    file = saved({"final_layer.adaLN_modulation.1": (down, up, 2.0)}, tmp_path / "lora.safetensors", "diffusion_model.")
    model.family.check_lora(file)
    plain = norm_out.weight.clone()
    task = model.variant.tasks[0]
    model.family.equip(model.parts, model.recipe(task, loras=[(file, SCALE)]))
    laid = network(model).norm_out.linear
    nothing, every = torch.zeros(1, down.shape[1]), torch.eye(down.shape[1])
    torch.testing.assert_close((laid(every) - laid(nothing)).T, plain + SCALE * change, rtol=0, atol=1e-5)
    model.family.equip(model.parts, model.recipe(task))
    assert torch.equal(network(model).norm_out.linear.weight, plain)


def test_loras_of_the_first_hunyuan_video_are_none_of_the_later(models, tmp_path) -> None:
    found = {"single_blocks.0.linear2": (torch.zeros(2, 32), torch.zeros(32, 2), 1.0)}
    file = saved(found, tmp_path / "lora.safetensors")
    assert models("framepack").family.check_lora(file) is None
    with pytest.raises(UserError, match=r"looks like one for FLUX\.1, FLUX\.2 or HunyuanVideo"):
        models("hunyuan_video_15").family.check_lora(file)
