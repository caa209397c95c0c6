"""The authors' (SAT) names to diffusers'. Tensors in, tensors out; no file is read here.

Sources: zai-org/CogVideo at 7a1af71, sat/dit_video_concat.py, for the names, and huggingface/diffusers,
scripts/convert_cogvideox_to_diffusers.py, for what they become.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from praxino.families._stock.checkpoint import Shapes

if TYPE_CHECKING:
    from torch import Tensor

LAYER = r"^transformer\.layers\.(\d+)\."
BLOCK = r"transformer_blocks.\1."
RENAMED = (
    (LAYER + r"attention\.dense\.", BLOCK + "attn1.to_out.0."),
    (LAYER + r"mlp\.dense_h_to_4h\.", BLOCK + "ff.net.0.proj."),
    (LAYER + r"mlp\.dense_4h_to_h\.", BLOCK + "ff.net.2."),
    (LAYER + r"input_layernorm\.", BLOCK + "norm1.norm."),
    (LAYER + r"post_attention_layernorm\.", BLOCK + "norm2.norm."),
    (r"^mixins\.adaln_layer\.query_layernorm_list\.(\d+)\.", BLOCK + "attn1.norm_q."),
    (r"^mixins\.adaln_layer\.key_layernorm_list\.(\d+)\.", BLOCK + "attn1.norm_k."),
    (r"^mixins\.patch_embed\.", "patch_embed."),
    (r"^mixins\.final_layer\.norm_final\.", "norm_out.norm."),
    (r"^mixins\.final_layer\.linear\.", "proj_out."),
    (r"^mixins\.final_layer\.adaLN_modulation\.1\.", "norm_out.linear."),
    (r"^transformer\.final_layernorm\.", "norm_final."),
    (r"^time_embed\.0\.", "time_embedding.linear_1."),
    (r"^time_embed\.2\.", "time_embedding.linear_2."),
    (r"^ofs_embed\.0\.", "ofs_embedding.linear_1."),
    (r"^ofs_embed\.2\.", "ofs_embedding.linear_2."),
)
FUSED = re.compile(LAYER + r"attention\.query_key_value$")
MODULATION = re.compile(r"^mixins\.adaln_layer\.adaLN_modulations\.(\d+)\.1\.(\w+)$")
POSITIONS = "mixins.pos_embed.pos_embedding"
LEFT_OUT = re.compile(r"freqs_(sin|cos)$|^transformer\.(position|word)_embeddings\.")
"""What is worked out afresh, or not used."""


def module_of(name: str) -> tuple[str, ...]:
    """A layer's path in the authors' naming to diffusers' layers that share its rows; () when there is none."""
    if match := FUSED.match(name):
        return tuple(f"transformer_blocks.{match[1]}.attn1.to_{part}" for part in "qkv")
    for pattern, replacement in RENAMED:
        renamed, count = re.subn(pattern, replacement, f"{name}.")
        if count:
            return (renamed.removesuffix("."),)
    return ()


def transformer(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
    """The authors' DiffusionTransformer as diffusers'. Raises KeyError for a name that it has not."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if LEFT_OUT.search(name):
            continue
        if name == POSITIONS:
            if config["use_learned_positional_embeddings"]:
                found["patch_embed.pos_embedding"] = tensor
            continue
        if match := MODULATION.match(name):
            found |= _modulation(match[1], match[2], tensor)
            continue
        layer, _, kind = name.rpartition(".")
        modules = module_of(layer)
        if not modules:
            raise KeyError(name)
        for module, part in zip(modules, tensor.chunk(len(modules)), strict=True):
            found[f"{module}.{kind}"] = part.contiguous()
    if config["patch_size_t"] is None:
        weight = found["patch_embed.proj.weight"]
        found["patch_embed.proj.weight"] = weight.view(len(weight), -1, config["patch_size"], config["patch_size"])
    return found


def transformer_config(shapes: Shapes, max_text_tokens: int) -> dict[str, Any]:
    """The diffusers config of a transformer in the authors' naming, of the published sample sizes."""
    hidden = shapes["mixins.patch_embed.text_proj.weight"][0]
    head_dim = shapes["mixins.adaln_layer.query_layernorm_list.0.weight"][0]
    temporal_patch = shapes["mixins.final_layer.linear.weight"][0] // 64
    inputs = math.prod(shapes["mixins.patch_embed.proj.weight"][1:])
    in_channels = inputs // (4 * temporal_patch)
    wide, positions = temporal_patch > 1, POSITIONS in shapes
    return {
        "num_attention_heads": hidden // head_dim,
        "attention_head_dim": head_dim,
        "in_channels": in_channels,
        "time_embed_dim": shapes["time_embed.0.weight"][0],
        "ofs_embed_dim": shapes["ofs_embed.0.weight"][0] if "ofs_embed.0.weight" in shapes else None,
        "text_embed_dim": shapes["mixins.patch_embed.text_proj.weight"][1],
        "num_layers": _count(shapes, r"transformer\.layers\.(\d+)\."),
        "sample_width": 300 if wide else 90,
        "sample_height": 300 if wide else 60,
        "sample_frames": 81 if wide else 49,
        "patch_size": 2,
        "patch_size_t": temporal_patch if wide else None,
        "patch_bias": "mixins.patch_embed.proj.bias" in shapes,
        "max_text_seq_length": max_text_tokens,
        "use_rotary_positional_embeddings": in_channels > 16 or not positions,
        "use_learned_positional_embeddings": in_channels > 16 and positions,
    }


def _modulation(layer: str, kind: str, tensor: Tensor) -> dict[str, Tensor]:
    """The twelve parts of a block's modulation: three for video before attention and before the MLP, then for text."""
    import torch

    parts = tensor.chunk(12)
    block = f"transformer_blocks.{layer}"
    return {
        f"{block}.norm1.linear.{kind}": torch.cat(parts[0:3] + parts[6:9]),
        f"{block}.norm2.linear.{kind}": torch.cat(parts[3:6] + parts[9:12]),
    }


def _count(names: Iterable[str], pattern: str) -> int:
    """How many numbers a pattern finds at the beginning of names."""
    return len({match[1] for name in names if (match := re.match(pattern, name))})
