"""LoRAs in the names of Stable Diffusion 3's original code, against diffusers' own translation of whole checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.loaders.single_file_utils import convert_sd3_transformer_checkpoint_to_diffusers
from safetensors.torch import save_file

from praxino.errors import ModelError, UserError

RANK, ALPHA, SCALE = 2, 3.0, 0.4
STREAMS = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2", "adaLN_modulation.1")


def shapes(network: Any) -> dict[str, tuple[int, int]]:
    """Of every linear layer in the original's names."""
    width, inner = network.inner_dim, network.transformer_blocks[0].ff.net[0].proj.out_features
    last = len(network.transformer_blocks) - 1
    block = dict(zip(STREAMS, ((3 * width, width), (width, width), (inner, width), (width, inner)), strict=False))
    found = {
        "context_embedder": tuple(network.context_embedder.weight.shape),
        "t_embedder.mlp.0": (width, 256), "t_embedder.mlp.2": (width, width),
        "y_embedder.mlp.0": tuple(network.time_text_embed.text_embedder.linear_1.weight.shape),
        "y_embedder.mlp.2": (width, width),
        "final_layer.linear": tuple(network.proj_out.weight.shape),
        "final_layer.adaLN_modulation.1": (2 * width, width),
    }  # fmt: skip
    for number in range(last + 1):
        for stream, layers in (("x", STREAMS), ("context", STREAMS if number < last else ("attn.qkv", STREAMS[-1]))):
            home = network.transformer_blocks[number]
            norm = home.norm1 if stream == "x" else home.norm1_context
            for layer in layers:
                shape = tuple(norm.linear.weight.shape) if layer == STREAMS[-1] else block[layer]
                found[f"joint_blocks.{number}.{stream}_block.{layer}"] = shape
    return found


def translated(network: Any, changes: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the changes of an original checkpoint's weights are of diffusers'."""
    patch = network.pos_embed.proj.weight
    first = {"x_embedder.proj.weight": torch.zeros_like(patch), "x_embedder.proj.bias": patch[:, 0, 0, 0]}
    whole = {"pos_embed": torch.zeros(1), **first}
    for layer, change in changes.items():
        whole |= {f"{layer}.weight": change, f"{layer}.bias": change[:, 0]}
    found = convert_sd3_transformer_checkpoint_to_diffusers(whole)
    return {name.removesuffix(".weight"): t for name, t in found.items() if name.endswith(".weight") and t.ndim == 2}


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))) / 4


def plain(rows: int, columns: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    down, up = random(RANK, columns), random(rows, RANK)
    made = {"lora_down.weight": down, "lora_up.weight": up, "alpha": torch.tensor(ALPHA)}
    return made, ALPHA / RANK * up.double() @ down.double()


def loha(rows: int, columns: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    made = {
        "hada_w1_a": random(rows, RANK), "hada_w1_b": random(RANK, columns),
        "hada_w2_a": random(rows, RANK).flip(0), "hada_w2_b": random(RANK, columns).flip(1),
    }  # fmt: skip
    one, two, three, four = (tensor.double() for tensor in made.values())
    return {**made, "alpha": torch.tensor(ALPHA)}, ALPHA / RANK * (one @ two) * (three @ four)


def lokr(rows: int, columns: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    made = {"lokr_w1": random(2, 2), "lokr_w2": random(rows // 2, columns // 2)}
    return {**made, "alpha": torch.tensor(ALPHA)}, torch.kron(*(tensor.double() for tensor in made.values()))


def effective(module: Any) -> torch.Tensor:
    """The weight that a layer computes with, whatever lies over it."""
    columns = module.in_features
    return (module(torch.eye(columns)) - module(torch.zeros(1, columns))).T.double()


@pytest.mark.parametrize("kind", [plain, loha, lokr])
@pytest.mark.parametrize("prefix", ["lora_unet_", "diffusion_model."])
def test_original_names_are_the_translated_weights(models, tmp_path: Path, kind: Any, prefix: str) -> None:
    model = models("sd3")
    network = model.family.equip(model.parts, model.recipe()).base.transformer
    tensors, changes = {}, {}
    for layer, shape in shapes(network).items():
        made, changes[layer] = kind(*shape)
        name = prefix + (layer.replace(".", "_") if prefix.endswith("_") else layer)
        tensors |= {f"{name}.{end}": tensor for end, tensor in made.items()}
    wanted = translated(network, changes)
    before = {layer: network.get_submodule(layer).weight.clone() for layer in wanted}
    file = tmp_path / "lora.safetensors"
    save_file(tensors, file)
    model.family.check_lora(file)
    model.family.equip(model.parts, model.recipe(loras=[(file, SCALE)]))
    for layer, change in wanted.items():
        found = effective(network.get_submodule(layer))
        torch.testing.assert_close(found, before[layer].double() + SCALE * change, rtol=0, atol=5e-6, msg=layer)
    model.family.equip(model.parts, model.recipe(loras=[(file, 0.0)]))
    assert all(torch.equal(network.get_submodule(layer).weight, weight) for layer, weight in before.items())


def test_what_has_no_layer_is_named(models, tmp_path: Path) -> None:
    model = models("sd3")
    for layer, error in (
        ("joint_blocks.0.z_block.attn.qkv", UserError),
        ("joint_blocks.9.x_block.attn.qkv", ModelError),
    ):
        made, _ = plain(96, 32)
        file = tmp_path / "lora.safetensors"
        save_file({f"diffusion_model.{layer}.{end}": tensor for end, tensor in made.items()}, file)
        with pytest.raises(error, match=layer.replace(".", r"\.")):
            model.family.check_lora(file)
            model.family.equip(model.parts, model.recipe(loras=[(file, SCALE)]))
