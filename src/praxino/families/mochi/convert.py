"""Genmo's names to diffusers'. Tensors in, tensors out; no file is read here.

Sources: genmoai/mochi at 0c86aeb (dit/joint_model/asymm_models_joint.py, vae/models.py) for the names, and for what
they become huggingface/diffusers, scripts/convert_mochi_to_diffusers.py, which knows the published sizes only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from praxino.families._stock.checkpoint import Shapes

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]

RENAMED = (
    (r"^x_embedder\.", "patch_embed."),
    (r"^t_embedder\.mlp\.0\.", "time_embed.timestep_embedder.linear_1."),
    (r"^t_embedder\.mlp\.2\.", "time_embed.timestep_embedder.linear_2."),
    (r"^t5_y_embedder\.", "time_embed.pooler."),
    (r"^t5_yproj\.", "time_embed.caption_proj."),
    (r"^final_layer\.mod\.", "norm_out.linear."),
    (r"^final_layer\.linear\.", "proj_out."),
    (r"^blocks\.(\d+)\.mod_x\.", r"transformer_blocks.\1.norm1.linear."),
    (r"^blocks\.(\d+)\.mod_y\.", r"transformer_blocks.\1.norm1_context.linear."),
    (r"^blocks\.(\d+)\.attn\.([qk])_norm_x\.", r"transformer_blocks.\1.attn1.norm_\2."),
    (r"^blocks\.(\d+)\.attn\.([qk])_norm_y\.", r"transformer_blocks.\1.attn1.norm_added_\2."),
    (r"^blocks\.(\d+)\.attn\.proj_x\.", r"transformer_blocks.\1.attn1.to_out.0."),
    (r"^blocks\.(\d+)\.attn\.proj_y\.", r"transformer_blocks.\1.attn1.to_add_out."),
    (r"^blocks\.(\d+)\.mlp_x\.w1\.", r"transformer_blocks.\1.ff.net.0.proj."),
    (r"^blocks\.(\d+)\.mlp_x\.w2\.", r"transformer_blocks.\1.ff.net.2."),
    (r"^blocks\.(\d+)\.mlp_y\.w1\.", r"transformer_blocks.\1.ff_context.net.0.proj."),
    (r"^blocks\.(\d+)\.mlp_y\.w2\.", r"transformer_blocks.\1.ff_context.net.2."),
)
FUSED = {
    "qkv_x": ("to_q", "to_k", "to_v"),
    "qkv_y": ("add_q_proj", "add_k_proj", "add_v_proj"),
}
"""Attention inputs that Genmo keep in one layer, by rows."""
HALVES_SWAPPED = re.compile(r"final_layer\.mod|mlp_[xy]\.w1")
"""Shift before scale, and gate before value, where diffusers has them the other way round."""


def module_of(name: str, num_layers: int) -> tuple[str, ...]:
    """A layer's path in Genmo's naming to diffusers' layers that share its rows."""
    if match := re.fullmatch(r"blocks\.(\d+)\.attn\.(qkv_[xy])", name):
        return tuple(f"transformer_blocks.{match[1]}.attn1.{part}" for part in FUSED[match[2]])
    for pattern, replacement in RENAMED:
        renamed, count = re.subn(pattern, replacement, f"{name}.")
        if count:
            last = f"transformer_blocks.{num_layers - 1}.norm1_context.linear"
            plain = renamed.removesuffix(".")
            return (plain + "_1" if plain == last else plain,)
    return ()


def transformer(tensors: Tensors) -> dict[str, Tensor]:
    """Genmo's AsymmDiTJoint as diffusers' MochiTransformer3DModel. Raises KeyError for a name that it has not."""
    import torch

    num_layers = _count(tensors, r"blocks\.(\d+)\.")
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name == "pos_frequencies":
            found[name] = tensor
            continue
        layer, _, kind = name.rpartition(".")
        modules = module_of(layer, num_layers)
        if not modules:
            raise KeyError(name)
        if HALVES_SWAPPED.search(name):
            tensor = torch.cat(tuple(reversed(tensor.chunk(2))))
        for module, part in zip(modules, tensor.chunk(len(modules)), strict=True):
            found[f"{module}.{kind}"] = part.contiguous()
    return found


def transformer_config(shapes: Shapes) -> dict[str, Any]:
    """The diffusers config of a transformer in Genmo's naming."""
    _, heads, half = shapes["pos_frequencies"]
    return {
        "num_attention_heads": heads,
        "attention_head_dim": 2 * half,
        "num_layers": _count(shapes, r"blocks\.(\d+)\."),
        "pooled_projection_dim": shapes["t5_yproj.weight"][0],
        "in_channels": shapes["x_embedder.proj.weight"][1],
        "text_embed_dim": shapes["t5_yproj.weight"][1],
        "time_embed_dim": shapes["t_embedder.mlp.0.weight"][1],
    }


RESNET = {
    "stack.0": "norm1.norm_layer",
    "stack.2": "conv1.conv",
    "stack.3": "norm2.norm_layer",
    "stack.5": "conv2.conv",
}


def decoder(tensors: Tensors) -> dict[str, Tensor]:
    """Genmo's VAE decoder (decoder.safetensors) as diffusers' `decoder`."""
    last = max(int(name.split(".")[1]) for name in tensors if name.startswith("blocks."))
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if match := re.fullmatch(r"blocks\.0\.0\.(\w+)", name):
            found[f"decoder.conv_in.{match[1]}"] = tensor
        elif match := re.fullmatch(r"blocks\.0\.(\d+)\.(stack\.\d)\.(\w+)", name):
            found[f"decoder.block_in.resnets.{int(match[1]) - 1}.{RESNET[match[2]]}.{match[3]}"] = tensor
        elif match := re.fullmatch(rf"blocks\.{last}\.(\d+)\.(stack\.\d)\.(\w+)", name):
            found[f"decoder.block_out.resnets.{match[1]}.{RESNET[match[2]]}.{match[3]}"] = tensor
        elif match := re.fullmatch(r"blocks\.(\d+)\.blocks\.(\d+)\.(stack\.\d)\.(\w+)", name):
            place = f"decoder.up_blocks.{int(match[1]) - 1}.resnets.{match[2]}"
            found[f"{place}.{RESNET[match[3]]}.{match[4]}"] = tensor
        elif match := re.fullmatch(r"blocks\.(\d+)\.proj\.(\w+)", name):
            found[f"decoder.up_blocks.{int(match[1]) - 1}.proj.{match[2]}"] = tensor
        elif match := re.fullmatch(r"output_proj\.(\w+)", name):
            found[f"decoder.proj_out.{match[1]}"] = tensor
        else:
            raise KeyError(name)
    return found


def encoder(tensors: Tensors) -> dict[str, Tensor]:
    """Genmo's VAE encoder (encoder.safetensors) as diffusers' `encoder`."""
    downs = _down_blocks(tensors)
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if match := re.fullmatch(r"layers\.0\.(\w+)", name):
            found[f"encoder.proj_in.{match[1]}"] = tensor
        elif match := re.fullmatch(r"layers\.(\d+)\.layers\.0\.(\w+)", name):
            found[f"encoder.down_blocks.{int(match[1]) - downs[0]}.conv_in.conv.{match[2]}"] = tensor
        elif match := re.fullmatch(r"layers\.(\d+)\.layers\.(\d+)\.(.+)\.(\w+)", name):
            place = f"encoder.down_blocks.{int(match[1]) - downs[0]}"
            found |= _in_block(place, int(match[2]) - 1, match[3], match[4], tensor)
        elif match := re.fullmatch(r"layers\.(\d+)\.(.+)\.(\w+)", name):
            index = int(match[1])
            after = index > downs[-1]
            place, number = ("block_out", index - downs[-1] - 1) if after else ("block_in", index - 1)
            found |= _in_block(f"encoder.{place}", number, match[2], match[3], tensor)
        elif match := re.fullmatch(r"output_norm\.(\w+)", name):
            found[f"encoder.norm_out.norm_layer.{match[1]}"] = tensor
        elif match := re.fullmatch(r"output_proj\.(\w+)", name):
            found[f"encoder.proj_out.{match[1]}"] = tensor
        else:
            raise KeyError(name)
    return found


def vae_config(encoder_shapes: Shapes | None, decoder_shapes: Shapes) -> dict[str, Any]:
    """The diffusers config of a VAE in Genmo's naming; strides are those of the published one."""
    ups = [decoder_shapes[f"blocks.{index}.blocks.0.stack.0.weight"][0] for index in (1, 2, 3)]
    last = decoder_shapes["output_proj.weight"][1]
    counts = [_count(decoder_shapes, rf"blocks\.{index}\.blocks\.(\d+)\.") for index in (3, 2, 1)]
    outer, inner = (_count(decoder_shapes, rf"blocks\.{index}\.(\d+)\.stack") for index in (4, 0))
    config: dict[str, Any] = {
        "decoder_block_out_channels": (last, *reversed(ups)),
        "latent_channels": decoder_shapes["blocks.0.0.weight"][1],
        "layers_per_block": (outer, *counts, inner),
    }
    if encoder_shapes is not None:
        downs = _down_blocks(encoder_shapes)
        widths = [encoder_shapes[f"layers.{index}.layers.0.weight"][0] for index in downs]
        config["encoder_block_out_channels"] = (encoder_shapes["layers.0.weight"][0], *widths)
    return config


def _count(names: Iterable[str], pattern: str) -> int:
    """How many numbers a pattern finds at the beginning of names."""
    return len({match[1] for name in names if (match := re.match(pattern, name))})


def _down_blocks(names: Iterable[str]) -> list[int]:
    """The numbers of an encoder's layers that halve sides."""
    return sorted({int(name.split(".")[1]) for name in names if re.match(r"layers\.\d+\.layers\.", name)})


def _in_block(place: str, number: int, inner: str, kind: str, tensor: Tensor) -> dict[str, Tensor]:
    """One tensor of a resnet, or of the attention behind it, of an encoder's block."""
    if inner in RESNET:
        return {f"{place}.resnets.{number}.{RESNET[inner]}.{kind}": tensor}
    name = inner.removeprefix("attn_block.")
    if name == "norm":
        return {f"{place}.norms.{number}.norm_layer.{kind}": tensor}
    if name == "attn.out":
        return {f"{place}.attentions.{number}.to_out.0.{kind}": tensor}
    if name != "attn.qkv":
        raise KeyError(f"{inner}.{kind}")
    parts = zip(("to_q", "to_k", "to_v"), tensor.chunk(3), strict=True)
    return {f"{place}.attentions.{number}.{part}.{kind}": rows.contiguous() for part, rows in parts}
