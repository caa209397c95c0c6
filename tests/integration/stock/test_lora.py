"""LoRAs over the stock families: names of kohya, diffusers and ComfyUI, block filters, and what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from praxino.errors import ModelError, UserError

UNET = (
    "up_blocks.{up}.attentions.0.transformer_blocks.0.attn1.to_q",
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_v",
)
TEXT = ("encoder.layers.0.self_attn.q_proj", "encoder.layers.1.mlp.fc1")
UP = {"sdxl": 0, "stable-diffusion": 1}
"""The first up block that has attention."""
RANK = 2


def matrices(network: Any, layer: str) -> tuple[torch.Tensor, torch.Tensor]:
    found = dict(network.named_modules())
    module = found.get(layer) or found[f"text_model.{layer}"]
    generator = torch.Generator().manual_seed(len(layer))
    down = torch.randn(RANK, module.in_features, generator=generator)
    return down, torch.randn(module.out_features, RANK, generator=generator) * 0.5


def kohya(model: Any, alpha: float = 1.0) -> dict[str, torch.Tensor]:
    """A LoRA over the UNet and the text encoders, as sd-scripts and Civitai name it."""
    base, tensors = model.parts.base, {}
    encoders = (
        {"te1": base.text_encoder, "te2": base.text_encoder_2}
        if UP[model.family.name] == 0
        else {"te": base.text_encoder}
    )
    layers = [("lora_unet_", base.unet, layer.format(up=UP[model.family.name])) for layer in UNET]
    layers += [(f"lora_{key}_text_model_", encoder, layer) for key, encoder in encoders.items() for layer in TEXT]
    for prefix, network, layer in layers:
        down, up = matrices(network, layer)
        name = prefix + layer.replace(".", "_")
        tensors |= {
            f"{name}.lora_down.weight": down,
            f"{name}.lora_up.weight": up,
            f"{name}.alpha": torch.tensor(alpha),
        }
    return tensors


def peft(model: Any) -> dict[str, torch.Tensor]:
    """The UNet's part of the same LoRA, as diffusers saves it; alpha is the rank."""
    tensors = {}
    for layer in UNET:
        layer = layer.format(up=UP[model.family.name])
        down, up = matrices(model.parts.base.unet, layer)
        tensors |= {f"unet.{layer}.lora_A.weight": down, f"unet.{layer}.lora_B.weight": up}
    return tensors


def saved(tensors: dict[str, torch.Tensor], file: Path) -> Path:
    save_file(tensors, file)
    return file


@pytest.mark.parametrize(
    ("name", "kind"), [("sdxl", "StableDiffusionXLPipeline"), ("stable-diffusion", "StableDiffusionPipeline")]
)
def test_kohyas_names_and_alphas_draw_what_diffusers_draws(models, tmp_path, name: str, kind: str) -> None:
    """Of the UNet: of the text encoders, diffusers 0.42 loses the attention's weights beside transformers 5."""
    model = models(name)
    tensors = {key: tensor for key, tensor in kohya(model).items() if key.startswith("lora_unet")}
    file = saved(tensors, tmp_path / "kohya.safetensors")
    model.family.check_lora(file)
    before = model.draw()
    drawn = model.draw(loras=[(file, 0.7)])
    call: Any = model.by_hand(kind)
    call.pipeline.load_lora_weights(load_file(file), adapter_name="one")
    call.pipeline.set_adapters(["one"], [0.7])
    guidance = model.variant.guidance_phases[0].scale
    assert np.array_equal(drawn, call(height=64, width=64, guidance_scale=guidance))
    assert not np.array_equal(drawn, before)
    assert np.array_equal(model.draw(), before)


@pytest.mark.parametrize("name", UP)
def test_alphas_that_differ_from_layer_to_layer_count(models, tmp_path, name: str) -> None:
    """Against weights that are changed by hand: W + scale alpha / rank B A."""
    model = models(name)
    tensors = kohya(model)
    alphas = {key: float(number) for number, key in enumerate([key for key in tensors if key.endswith("alpha")], 1)}
    tensors |= {key: torch.tensor(alpha) for key, alpha in alphas.items()}
    drawn = model.draw(loras=[(saved(tensors, tmp_path / "kohya.safetensors"), 0.3)])
    call: Any = model.by_hand({"sdxl": "StableDiffusionXLPipeline"}.get(name, "StableDiffusionPipeline"))
    changed = 0
    for component, network in call.pipeline.components.items():
        for path, layer in network.named_modules() if isinstance(network, torch.nn.Module) else ():
            flat = path.removeprefix("text_model.").replace(".", "_")
            owners = {"unet": "unet_", "text_encoder": "te_text_model_", "text_encoder_2": "te2_text_model_"}
            names = [f"lora_{owners.get(component, '-')}{flat}", f"lora_te1_text_model_{flat}"]
            for own in names if component == "text_encoder" else names[:1]:
                if f"{own}.alpha" in tensors:
                    product = tensors[f"{own}.lora_up.weight"] @ tensors[f"{own}.lora_down.weight"]
                    layer.weight.data += 0.3 * alphas[f"{own}.alpha"] / RANK * product
                    changed += 1
    assert changed == len(alphas)
    wanted = call(height=64, width=64, guidance_scale=model.variant.guidance_phases[0].scale)
    assert np.abs(drawn.astype(int) - wanted.astype(int)).max() <= 1


@pytest.mark.parametrize("name", UP)
def test_scale_zero_is_the_base_bit_for_bit(models, tmp_path, name: str) -> None:
    model = models(name)
    file = saved(kohya(model), tmp_path / "kohya.safetensors")
    assert np.array_equal(model.draw(loras=[(file, 0.0)]), model.draw())


@pytest.mark.parametrize("name", UP)
def test_taking_a_lora_off_leaves_the_networks_as_they_were(models, tmp_path, name: str) -> None:
    model = models(name)

    def tensors() -> dict[str, torch.Tensor]:
        networks = {key: part for key, part in model.parts.base.components.items() if hasattr(part, "state_dict")}
        return {f"{key}.{n}": t.clone() for key, part in networks.items() for n, t in part.state_dict().items()}

    model.draw()
    before = tensors()
    model.draw(loras=[(saved(kohya(model), tmp_path / "kohya.safetensors"), 1.0)])
    model.draw()
    after = tensors()
    assert list(before) == list(after)
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_all_ways_of_naming_are_one_lora(models, tmp_path) -> None:
    model = models("sdxl")
    flat = {key: tensor for key, tensor in kohya(model, alpha=RANK).items() if key.startswith("lora_unet")}
    files = {
        "kohya": flat,
        "diffusers": peft(model),
        "older diffusers": {
            key.replace("lora_A", "lora.down").replace("lora_B", "lora.up"): tensor
            for key, tensor in peft(model).items()
        },
    }
    drawn = []
    for number, tensors in enumerate(files.values()):
        file = saved(tensors, tmp_path / f"{number}.safetensors")
        model.family.check_lora(file)
        drawn.append(model.draw(loras=[(file, 1.0)]))
    assert np.array_equal(drawn[0], drawn[1]) and np.array_equal(drawn[0], drawn[2])


def test_comfyuis_block_numbers_are_understood(models, tmp_path) -> None:
    """SDXL's LoRAs by sd-scripts count blocks as the original code does."""
    model = models("sdxl")
    names = {"up_blocks_0_attentions_0": "output_blocks_0_1", "mid_block_attentions_0": "middle_block_1"}

    def renamed(key: str) -> str:
        for ours, theirs in names.items():
            key = key.replace(ours, theirs)
        return key

    flat = {key: tensor for key, tensor in kohya(model).items() if key.startswith("lora_unet")}
    original = saved({renamed(key): tensor for key, tensor in flat.items()}, tmp_path / "original.safetensors")
    model.family.check_lora(original)
    plain = saved(flat, tmp_path / "plain.safetensors")
    assert np.array_equal(model.draw(loras=[(original, 1.0)]), model.draw(loras=[(plain, 1.0)]))


def test_several_loras_add_up(models, tmp_path) -> None:
    model = models("sdxl")
    one = saved(peft(model), tmp_path / "one.safetensors")
    doubled = {key: tensor * (2 if "lora_B" in key else 1) for key, tensor in peft(model).items()}
    two = saved(doubled, tmp_path / "two.safetensors")
    whole = model.draw(loras=[(one, 1.0)]).astype(int)
    assert np.abs(model.draw(loras=[(one, 0.5), (one, 0.5)]) - whole).max() <= 1
    assert np.abs(model.draw(loras=[(two, 0.5)]) - whole).max() <= 1
    assert np.abs(model.draw(loras=[(one, 0.5)]) - whole).max() > 1


def test_blocks_are_chosen_by_pattern(models, tmp_path) -> None:
    model = models("sdxl")
    file = saved(peft(model), tmp_path / "lora.safetensors")
    part = {key: tensor for key, tensor in peft(model).items() if "up_blocks.0.attentions.0" in key}
    wanted = model.draw(loras=[(saved(part, tmp_path / "part.safetensors"), 1.0)])
    for pattern in ("unet.up_blocks.0.attentions.0.*", "up_blocks.0.*"):
        drawn = model.draw(loras=[(file, 1.0)], lora=("x.safetensors",), lora_blocks=pattern)
        assert np.array_equal(drawn, wanted)
    with pytest.raises(ModelError, match="no weights in the blocks down_blocks"):
        model.draw(loras=[(file, 1.0)], lora=("x.safetensors",), lora_blocks="down_blocks.*")


def test_a_lora_that_fits_in_part_is_refused_by_its_first_strange_keys(models, tmp_path) -> None:
    model = models("sdxl")
    before = model.draw()
    tensors = peft(model)
    tensors["unet.up_blocks.0.attentions.9.to_q.lora_A.weight"] = torch.zeros(2, 4)
    with pytest.raises(ModelError, match=r"1 of its 5 weights .* 'unet.up_blocks.0.attentions.9.to_q.lora_A.weight'"):
        model.draw(loras=[(saved(tensors, tmp_path / "lora.safetensors"), 1.0)])
    wide = {key: torch.cat([tensor, tensor], dim=1 if "lora_A" in key else 0) for key, tensor in peft(model).items()}
    with pytest.raises(ModelError, match="4 of its 4 weights"):
        model.draw(loras=[(saved(wide, tmp_path / "lora.safetensors"), 1.0)])
    assert np.array_equal(model.draw(), before)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": (2, 8)}, "FLUX"),
        ({"transformer.transformer_blocks.0.attn.add_q_proj.lora_A.weight": (2, 8)}, "Stable Diffusion 3"),
        (
            {"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight": (4, 768)},
            "Stable Diffusion 1",
        ),
        ({"lora_unet_input_blocks_4_1.oft_blocks": (4, 4)}, "oft_blocks"),
        ({"model.diffusion_model.input_blocks.0.0.weight": (4, 4)}, "is not a LoRA"),
    ],
)
def test_what_a_file_is_for_is_read_from_its_header(models, tmp_path, keys: dict[str, Any], told: str) -> None:
    file = saved({key: torch.zeros(shape) for key, shape in keys.items()}, tmp_path / "lora.safetensors")
    with pytest.raises(UserError, match=told):
        models("sdxl").family.check_lora(file)


def test_a_pickle_is_no_lora(models, tmp_path) -> None:
    file = tmp_path / "lora.pt"
    torch.save({}, file)
    with pytest.raises(UserError, match="safetensors"):
        models("sdxl").family.check_lora(file)


NUMBERED = {
    "lora_unet_input_blocks_1_0_in_layers_2": "down_blocks.0.resnets.0.conv1",
    "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q": (
        "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
    ),
    "lora_unet_input_blocks_3_0_op": "down_blocks.0.downsamplers.0.conv",
    "lora_unet_output_blocks_1_0_skip_connection": "up_blocks.0.resnets.1.conv_shortcut",
    "lora_unet_middle_block_1_proj_in": "mid_block.attentions.0.proj_in",
}
"""Layers of SDXL in kohya's names, which number blocks as the original code does, and in diffusers'."""


def lycoris_file(model: Any, kind: str) -> dict[str, torch.Tensor]:
    tensors = {}
    generator = torch.Generator().manual_seed(3)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * 0.3

    for name, layer in NUMBERED.items():
        weight = model.parts.base.unet.get_submodule(layer).weight
        rows, columns = weight.shape[0], weight[0].numel()
        if kind == "loha":
            pairs = {
                f"hada_w{n}_{side}": drawn(*((rows, RANK), (RANK, columns))[side == "b"]) for n in "12" for side in "ab"
            }
        elif kind == "lokr":
            pairs = {"lokr_w1": drawn(2, 1), "lokr_w2_a": drawn(rows // 2, RANK), "lokr_w2_b": drawn(RANK, columns)}
        else:
            spread = (1,) * (weight.ndim - 2)
            pairs = {
                "lora_down.weight": drawn(RANK, *weight.shape[1:]), "lora_up.weight": drawn(rows, RANK, *spread),
                "dora_scale": drawn(rows, *(1,) * (weight.ndim - 1)).abs() + 1,
            }  # fmt: skip
        tensors |= {f"{name}.{key}": tensor for key, tensor in {**pairs, "alpha": torch.tensor(1.0)}.items()}
    return tensors


@pytest.mark.parametrize("kind", ["loha", "lokr", "dora"])
def test_loha_lokr_and_dora_are_added_to_weights_and_taken_off(models, tmp_path, kind: str) -> None:
    model = models("sdxl")
    tensors = lycoris_file(model, kind)
    file = saved(tensors, tmp_path / f"{kind}.safetensors")
    renamed = {
        f"lora_unet_{ours.replace('.', '_')}.{key.partition('.')[2]}": tensor
        for theirs, ours in NUMBERED.items()
        for key, tensor in tensors.items()
        if key.startswith(f"{theirs}.")
    }
    plain_names = saved(renamed, tmp_path / "renamed.safetensors")
    model.family.check_lora(file)
    unet = model.parts.base.unet
    before, weights = model.draw(), {layer: unet.get_submodule(layer).weight for layer in NUMBERED.values()}
    drawn = model.draw(loras=[(file, 0.5)])
    assert not np.array_equal(drawn, before)
    assert all(not torch.equal(unet.get_submodule(layer).weight, weight) for layer, weight in weights.items())
    assert np.array_equal(model.draw(loras=[(plain_names, 0.5)]), drawn)
    assert np.array_equal(model.draw(loras=[(file, 0.0)]), before)
    assert np.array_equal(model.draw(), before)
    assert all(unet.get_submodule(layer).weight is weight for layer, weight in weights.items())


def test_loha_and_plain_loras_are_laid_side_by_side(models, tmp_path) -> None:
    model = models("sdxl")
    plain = saved(peft(model), tmp_path / "plain.safetensors")
    loha = saved(lycoris_file(model, "loha"), tmp_path / "loha.safetensors")
    before = model.draw()
    both = model.draw(loras=[(plain, 1.0), (loha, 0.5)])
    assert np.array_equal(model.draw(loras=[(loha, 0.5), (plain, 1.0)]), both)
    assert not np.array_equal(both, model.draw(loras=[(plain, 1.0)]))
    assert not np.array_equal(both, model.draw(loras=[(loha, 0.5)]))
    assert np.array_equal(model.draw(), before)
