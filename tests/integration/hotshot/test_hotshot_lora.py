"""LoRAs over the miniature, with weights changed by hand as the oracle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from praxino.errors import ModelError, UserError
from praxino.families.hotshot_xl import FAMILY
from praxino.families.hotshot_xl.load import Parts

KOHYA = {
    "lora_unet_input_blocks_1_0_in_layers_2": "unet.down_blocks.0.resnets.0.conv1",
    "lora_unet_input_blocks_3_0_op": "unet.down_blocks.0.downsamplers.0.conv",
    "lora_unet_output_blocks_1_0_skip_connection": "unet.up_blocks.0.resnets.1.conv_shortcut",
    "lora_unet_input_blocks_4_0_emb_layers_1": "unet.down_blocks.1.resnets.0.time_emb_proj",
    "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q": (
        "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
    ),
    "lora_unet_input_blocks_8_1_transformer_blocks_0_attn2_to_out_0": (
        "unet.down_blocks.2.attentions.1.transformer_blocks.0.attn2.to_out.0"
    ),
    "lora_unet_middle_block_1_proj_in": "unet.mid_block.attentions.0.proj_in",
    "lora_unet_output_blocks_0_1_transformer_blocks_0_ff_net_0_proj": (
        "unet.up_blocks.0.attentions.0.transformer_blocks.0.ff.net.0.proj"
    ),
    "lora_te1_text_model_encoder_layers_0_self_attn_q_proj": "text_encoder.encoder.layers.0.self_attn.q_proj",
    "lora_te2_text_model_encoder_layers_0_mlp_fc1": "text_encoder_2.text_model.encoder.layers.0.mlp.fc1",
}
"""kohya's names and ours, for one layer of each kind."""
ONE = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"
ALPHAS = (2.0, 4.0, 1.0)
RANKS = (2, 4)


def network(parts: Parts, name: str) -> Any:
    first, second = (encoder.model for encoder in parts.networks.encoders)
    return {"unet": parts.networks.unet, "text_encoder": first, "text_encoder_2": second}[name]


def layer(parts: Parts, ours: str) -> Any:
    name, _, module = ours.partition(".")
    return network(parts, name).get_submodule(module)


def kohya(parts: Parts, seed: int = 0) -> dict[str, torch.Tensor]:
    """A LoRA of one layer of each kind, in kohya's names, with several ranks and alphas."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for index, (theirs, ours) in enumerate(KOHYA.items()):
        weight = layer(parts, ours).weight
        rank = RANKS[index % 2]
        down = torch.randn(rank, *weight.shape[1:], generator=generator) / 4
        up = torch.randn(weight.shape[0], rank, *(1,) * (weight.ndim - 2), generator=generator) / 4
        tensors[f"{theirs}.lora_down.weight"], tensors[f"{theirs}.lora_up.weight"] = down, up
        tensors[f"{theirs}.alpha"] = torch.tensor(ALPHAS[index % 3])
    return tensors


def delta(tensors: dict[str, torch.Tensor], theirs: str) -> torch.Tensor:
    down, up = tensors[f"{theirs}.lora_down.weight"], tensors[f"{theirs}.lora_up.weight"]
    product = torch.tensordot(up.flatten(1), down, dims=([1], [0]))
    return product * float(tensors[f"{theirs}.alpha"]) / len(down)


def saved(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


def outcome(parts: Parts, recipe: Any) -> torch.Tensor:
    FAMILY.equip(parts, recipe)
    *_, state = FAMILY.denoise(recipe, parts, [], recipe.seed)
    return state.tensors["latents"]


def test_kohyas_lora_is_the_change_of_weights_that_it_stands_for(parts, recipe_of, tmp_path: Path) -> None:
    tensors = kohya(parts)
    path = saved(tmp_path / "style.safetensors", tensors)
    FAMILY.check_lora(path)
    plain = outcome(parts, recipe_of())
    laid = outcome(parts, recipe_of(loras=((path, 0.7),)))
    FAMILY.equip(parts, recipe_of())
    kept = {ours: layer(parts, ours).weight.clone() for ours in KOHYA.values()}
    for theirs, ours in KOHYA.items():
        layer(parts, ours).weight.add_(0.7 * delta(tensors, theirs))
    changed = outcome(parts, recipe_of())
    for ours, weight in kept.items():
        layer(parts, ours).weight.copy_(weight)
    assert (laid - changed).abs().max() <= 1e-4
    assert (laid - plain).abs().max() > 0.01
    assert torch.equal(outcome(parts, recipe_of()), plain)


@pytest.mark.parametrize("theirs", KOHYA)
def test_every_layer_of_it_counts(parts, recipe_of, tmp_path: Path, theirs: str) -> None:
    tensors = {name: tensor for name, tensor in kohya(parts).items() if name.startswith(f"{theirs}.")}
    laid = outcome(parts, recipe_of(loras=((saved(tmp_path / "one.safetensors", tensors), 4.0),)))
    assert not torch.equal(laid, outcome(parts, recipe_of()))


def test_two_loras_add_up_and_can_be_taken_off(parts, recipe_of, tmp_path: Path) -> None:
    one, other = (saved(tmp_path / f"{seed}.safetensors", kohya(parts, seed)) for seed in (1, 2))
    plain = outcome(parts, recipe_of())
    both = outcome(parts, recipe_of(loras=((one, 0.5), (other, 1.0))))
    alone = outcome(parts, recipe_of(loras=((other, 1.0),)))
    assert not torch.equal(both, alone)
    assert torch.equal(outcome(parts, recipe_of()), plain)
    assert torch.equal(outcome(parts, recipe_of(loras=((one, 0.5), (other, 1.0)))), both)
    assert torch.equal(outcome(parts, recipe_of(loras=((one, 0.0), (other, 1.0)))), alone)


def test_scale_0_changes_no_bit(parts, recipe_of, tmp_path: Path) -> None:
    path = saved(tmp_path / "style.safetensors", kohya(parts))
    assert torch.equal(outcome(parts, recipe_of(loras=((path, 0.0),))), outcome(parts, recipe_of()))


def test_diffusers_names_give_the_same(parts, recipe_of, tmp_path: Path) -> None:
    tensors = kohya(parts)
    renamed = {}
    for theirs, ours in KOHYA.items():
        scale = float(tensors[f"{theirs}.alpha"]) / len(tensors[f"{theirs}.lora_down.weight"])
        renamed[f"{ours}.lora_A.weight"] = tensors[f"{theirs}.lora_down.weight"]
        renamed[f"{ours}.lora_B.weight"] = tensors[f"{theirs}.lora_up.weight"] * scale
    one, other = saved(tmp_path / "kohya.safetensors", tensors), saved(tmp_path / "peft.safetensors", renamed)
    FAMILY.check_lora(other)
    assert torch.equal(outcome(parts, recipe_of(loras=((one, 1.0),))), outcome(parts, recipe_of(loras=((other, 1.0),))))


def test_alphas_that_peft_wrote_beside_the_weights_count(parts, recipe_of, tmp_path: Path) -> None:
    tensors = kohya(parts)
    first, second = list(KOHYA)[4:6]
    weights, halved = {}, {}
    for theirs, into in ((first, 3.0), (second, 1.0)):
        down, up = tensors[f"{theirs}.lora_down.weight"], tensors[f"{theirs}.lora_up.weight"]
        weights |= {f"{KOHYA[theirs]}.lora_A.weight": down, f"{KOHYA[theirs]}.lora_B.weight": up}
        halved |= {f"{KOHYA[theirs]}.lora_A.weight": down, f"{KOHYA[theirs]}.lora_B.weight": up * (into / len(down))}
    config = {"unet.lora_alpha": 1, "unet.alpha_pattern": {KOHYA[first].removeprefix("unet."): 3}}
    path = tmp_path / "told.safetensors"
    save_file(weights, path, {"lora_adapter_metadata": json.dumps(config)})
    plain = saved(tmp_path / "plain.safetensors", halved)
    assert torch.equal(
        outcome(parts, recipe_of(loras=((path, 1.0),))), outcome(parts, recipe_of(loras=((plain, 1.0),)))
    )


def test_blocks_choose_layers(parts, recipe_of, tmp_path: Path) -> None:
    tensors = kohya(parts)
    path = saved(tmp_path / "all.safetensors", tensors)
    part = {name: tensor for name, tensor in tensors.items() if "output_blocks" in name}
    up = outcome(parts, recipe_of(loras=((saved(tmp_path / "up.safetensors", part), 1.0),)))
    assert torch.equal(outcome(parts, recipe_of(loras=((path, 1.0),), lora_blocks="up_blocks.*")), up)
    assert torch.equal(outcome(parts, recipe_of(loras=((path, 1.0),), lora_blocks="unet.up_blocks.0.*")), up)
    with pytest.raises(ModelError, match="no weights in the blocks attic"):
        FAMILY.equip(parts, recipe_of(loras=((path, 1.0),), lora_blocks="attic"))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: {n.replace("input_blocks_4", "input_blocks_1"): v for n, v in t.items()}, "have no layer"),
        (lambda t: {n: v for n, v in t.items() if "up" not in n}, "cannot be translated"),
        (lambda t: {n: (v if v.ndim == 0 else torch.zeros(5, 5)) for n, v in t.items()}, "no layer of their shape"),
        (lambda t: {n.replace("lora_unet", "lora_elsewhere"): v for n, v in t.items()}, "does not fit"),
    ],
)
def test_a_lora_that_fits_in_part_is_refused_whole(parts, recipe_of, tmp_path: Path, change, match: str) -> None:
    tensors = {name: tensor for name, tensor in kohya(parts).items() if name.startswith(ONE)}
    whole = kohya(parts)
    broken = {name: tensor for name, tensor in whole.items() if not name.startswith(ONE)} | change(tensors)
    path = saved(tmp_path / "broken.safetensors", broken)
    plain = outcome(parts, recipe_of())
    for scale in (0.0, 1.0):
        with pytest.raises(ModelError, match=match):
            FAMILY.equip(parts, recipe_of(loras=((path, scale),)))
    assert torch.equal(outcome(parts, recipe_of()), plain)


def test_what_is_no_lora_is_refused_by_its_header(tmp_path: Path) -> None:
    for name in ("conv_in.weight", "lora_unet_x.oft_blocks", "lora_unet_x.diff"):
        path = saved(tmp_path / "other.safetensors", {name: torch.zeros(2)})
        with pytest.raises(UserError, match="not a LoRA"):
            FAMILY.check_lora(path)
    (tmp_path / "words.safetensors").write_text("no header")
    for path in (tmp_path / "words.safetensors", tmp_path / "missing.safetensors", tmp_path):
        with pytest.raises(UserError, match="not a readable"):
            FAMILY.check_lora(path)
