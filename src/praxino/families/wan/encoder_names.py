"""Wan's text and picture encoders in the authors' naming, as transformers' UMT5EncoderModel and CLIPVisionModel.

Tensors in, tensors out; no file is read here. Source: Wan-Video/Wan2.1 at 9737cba, wan/modules/t5.py (umt5_xxl) and
wan/modules/clip.py (clip_xlm_roberta_vit_h_14, of which only `visual` is used).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from praxino.families._stock.checkpoint import Shapes

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]

BLOCK = r"^blocks\.(\d+)\."
LAYER = r"encoder.block.\1.layer."
UMT5_NAMES = (
    (r"^token_embedding\.", "shared."),
    (r"^norm\.", "encoder.final_layer_norm."),
    (BLOCK + r"norm1\.", LAYER + "0.layer_norm."),
    (BLOCK + r"attn\.([qkvo])\.", LAYER + r"0.SelfAttention.\2."),
    (BLOCK + r"pos_embedding\.embedding\.", LAYER + "0.SelfAttention.relative_attention_bias."),
    (BLOCK + r"norm2\.", LAYER + "1.layer_norm."),
    (BLOCK + r"ffn\.gate\.0\.", LAYER + "1.DenseReluDense.wi_0."),
    (BLOCK + r"ffn\.fc1\.", LAYER + "1.DenseReluDense.wi_1."),
    (BLOCK + r"ffn\.fc2\.", LAYER + "1.DenseReluDense.wo."),
)
CLIP_NAMES = (
    (r"^patch_embedding\.", "embeddings.patch_embedding."),
    (r"^pre_norm\.", "pre_layrnorm."),
    (r"^post_norm\.", "post_layernorm."),
    (r"^transformer\.(\d+)\.norm([12])\.", r"encoder.layers.\1.layer_norm\2."),
    (r"^transformer\.(\d+)\.attn\.proj\.", r"encoder.layers.\1.self_attn.out_proj."),
    (r"^transformer\.(\d+)\.mlp\.0\.", r"encoder.layers.\1.mlp.fc1."),
    (r"^transformer\.(\d+)\.mlp\.2\.", r"encoder.layers.\1.mlp.fc2."),
)
CLIP_FUSED = re.compile(r"^transformer\.(\d+)\.attn\.to_qkv\.(\w+)$")
VISUAL = "visual."
CLIP_HEAD_CHANNELS = 80
"""Of the published model: 16 heads of 1280 channels."""
UNUSED = ("head", "log_scale")


def umt5(tensors: Tensors) -> dict[str, Tensor]:
    """The authors' T5Encoder. Raises KeyError for a name that it has not."""
    return {_renamed(name, UMT5_NAMES): tensor for name, tensor in tensors.items()}


def umt5_config(shapes: Shapes) -> dict[str, Any]:
    """Of transformers' UMT5EncoderModel."""
    vocabulary_size, channels = shapes["token_embedding.weight"]
    buckets, heads = shapes["blocks.0.pos_embedding.embedding.weight"]
    return {
        "vocab_size": vocabulary_size,
        "d_model": channels,
        "d_kv": shapes["blocks.0.attn.q.weight"][0] // heads,
        "d_ff": shapes["blocks.0.ffn.fc1.weight"][0],
        "num_layers": len({name.split(".")[1] for name in shapes if name.startswith("blocks.")}),
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
        "feed_forward_proj": "gated-gelu",
    }


def clip(tensors: Tensors) -> dict[str, Tensor]:
    """The picture encoder of the authors' XLMRobertaCLIP. Raises KeyError for a name that it has not."""
    found: dict[str, Tensor] = {}
    for whole, tensor in tensors.items():
        name = whole.removeprefix(VISUAL)
        if name == whole or name.startswith(UNUSED):
            continue
        if match := CLIP_FUSED.match(name):
            parts = zip("qkv", tensor.chunk(3), strict=True)
            found |= {f"encoder.layers.{match[1]}.self_attn.{part}_proj.{match[2]}": rows for part, rows in parts}
        elif name == "cls_embedding":
            found["embeddings.class_embedding"] = tensor.flatten()
        elif name == "pos_embedding":
            found["embeddings.position_embedding.weight"] = tensor[0]
        else:
            found[_renamed(name, CLIP_NAMES)] = tensor
    return found


def clip_config(shapes: Shapes) -> dict[str, Any]:
    """Of transformers' CLIPVisionModel."""
    width, _, patch, _ = shapes["visual.patch_embedding.weight"]
    side = round((shapes["visual.pos_embedding"][1] - 1) ** 0.5)
    return {
        "hidden_size": width,
        "intermediate_size": shapes["visual.transformer.0.mlp.0.weight"][0],
        "num_hidden_layers": len({name.split(".")[2] for name in shapes if name.startswith("visual.transformer.")}),
        "num_attention_heads": max(width // CLIP_HEAD_CHANNELS, 1),
        "image_size": side * patch,
        "patch_size": patch,
        "projection_dim": shapes["visual.head"][1],
        "hidden_act": "gelu",
    }


def _renamed(name: str, table: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in table:
        renamed, count = re.subn(pattern, replacement, name)
        if count:
            return renamed
    raise KeyError(name)
