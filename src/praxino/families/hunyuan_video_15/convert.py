"""HunyuanVideo 1.5's transformer in Tencent's naming, as diffusers' HunyuanVideo15Transformer3DModel.

Tensors in, tensors out; no file is read here. Source: Tencent-Hunyuan/HunyuanVideo-1.5 at 60783e7,
hyvideo/models/transformers/hunyuanvideo_1_5_transformer.py, and for what its names become huggingface/diffusers,
scripts/convert_hunyuan_video1_5_to_diffusers.py, which knows the published depth only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from praxino.families._stock.checkpoint import Shapes

if TYPE_CHECKING:
    from torch import Tensor

BLOCK, REFINER = r"^double_blocks\.(\d+)\.", r"^txt_in\.individual_token_refiner\.blocks\.(\d+)\."
OURS, OUR_REFINER = r"transformer_blocks.\1.", r"context_embedder.token_refiner.refiner_blocks.\1."
RENAMED = (
    (r"^time_in\.mlp\.0\.", "time_embed.timestep_embedder.linear_1."),
    (r"^time_in\.mlp\.2\.", "time_embed.timestep_embedder.linear_2."),
    (r"^time_r_in\.mlp\.0\.", "time_embed.timestep_embedder_r.linear_1."),
    (r"^time_r_in\.mlp\.2\.", "time_embed.timestep_embedder_r.linear_2."),
    (r"^txt_in\.t_embedder\.mlp\.0\.", "context_embedder.time_text_embed.timestep_embedder.linear_1."),
    (r"^txt_in\.t_embedder\.mlp\.2\.", "context_embedder.time_text_embed.timestep_embedder.linear_2."),
    (r"^txt_in\.c_embedder\.", "context_embedder.time_text_embed.text_embedder."),
    (r"^txt_in\.input_embedder\.", "context_embedder.proj_in."),
    (REFINER + r"norm([12])\.", OUR_REFINER + r"norm\2."),
    (REFINER + r"self_attn_proj\.", OUR_REFINER + "attn.to_out.0."),
    (REFINER + r"mlp\.fc1\.", OUR_REFINER + "ff.net.0.proj."),
    (REFINER + r"mlp\.fc2\.", OUR_REFINER + "ff.net.2."),
    (REFINER + r"adaLN_modulation\.1\.", OUR_REFINER + "norm_out.linear."),
    (r"^byt5_in\.layernorm\.", "context_embedder_2.norm."),
    (r"^byt5_in\.fc(\d)\.", r"context_embedder_2.linear_\1."),
    (r"^vision_in\.proj\.0\.", "image_embedder.norm_in."),
    (r"^vision_in\.proj\.1\.", "image_embedder.linear_1."),
    (r"^vision_in\.proj\.3\.", "image_embedder.linear_2."),
    (r"^vision_in\.proj\.4\.", "image_embedder.norm_out."),
    (r"^img_in\.", "x_embedder."),
    (r"^cond_type_embedding\.", "cond_type_embed."),
    (r"^final_layer\.linear\.", "proj_out."),
    (r"^final_layer\.adaLN_modulation\.1\.", "norm_out.linear."),
    (BLOCK + r"img_mod\.", OURS + "norm1."),
    (BLOCK + r"txt_mod\.", OURS + "norm1_context."),
    (BLOCK + r"img_attn_([qkv])\.", OURS + r"attn.to_\2."),
    (BLOCK + r"txt_attn_([qkv])\.", OURS + r"attn.add_\2_proj."),
    (BLOCK + r"img_attn_([qk])_norm\.", OURS + r"attn.norm_\2."),
    (BLOCK + r"txt_attn_([qk])_norm\.", OURS + r"attn.norm_added_\2."),
    (BLOCK + r"img_attn_proj\.", OURS + "attn.to_out.0."),
    (BLOCK + r"txt_attn_proj\.", OURS + "attn.to_add_out."),
    (BLOCK + r"img_mlp\.fc1\.", OURS + "ff.net.0.proj."),
    (BLOCK + r"img_mlp\.fc2\.", OURS + "ff.net.2."),
    (BLOCK + r"txt_mlp\.fc1\.", OURS + "ff_context.net.0.proj."),
    (BLOCK + r"txt_mlp\.fc2\.", OURS + "ff_context.net.2."),
)
FUSED = re.compile(REFINER + r"self_attn_qkv\.(\w+)$")
HALVES_SWAPPED = "final_layer.adaLN_modulation.1."
"""Shift before scale, where diffusers has them the other way round."""
ROPE_CHANNELS = (16, 56, 56)


def config_of(shapes: Shapes, told: Mapping[str, Any]) -> dict[str, Any]:
    """The diffusers config, from shapes in Tencent's naming and from what Tencent's config.json says."""
    hidden, in_channels, patch_t, patch, _ = shapes["img_in.proj.weight"]
    (head_dim,) = shapes["double_blocks.0.img_attn_q_norm.weight"]
    return {
        "in_channels": in_channels,
        "out_channels": shapes["final_layer.linear.weight"][0] // (patch_t * patch * patch),
        "num_attention_heads": hidden // head_dim,
        "attention_head_dim": head_dim,
        "num_layers": _count(shapes, BLOCK),
        "num_refiner_layers": _count(shapes, REFINER),
        "mlp_ratio": shapes["double_blocks.0.img_mlp.fc1.weight"][0] / hidden,
        "patch_size": patch,
        "patch_size_t": patch_t,
        "text_embed_dim": shapes["txt_in.input_embedder.weight"][1],
        "text_embed_2_dim": shapes["byt5_in.fc1.weight"][1],
        "image_embed_dim": shapes["vision_in.proj.1.weight"][1],
        "rope_axes_dim": tuple(told.get("rope_dim_list", ROPE_CHANNELS)),
        "rope_theta": float(told.get("rope_theta", 256)),
        "use_meanflow": "time_r_in.mlp.0.weight" in shapes,
    }


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights in diffusers' names. Raises KeyError for a name that it has not."""
    import torch

    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if match := FUSED.match(name):
            block = f"context_embedder.token_refiner.refiner_blocks.{match[1]}.attn"
            parts = zip("qkv", tensor.chunk(3), strict=True)
            found |= {f"{block}.to_{part}.{match[2]}": rows.contiguous() for part, rows in parts}
        elif name.startswith(HALVES_SWAPPED):
            found[_renamed(name)] = torch.cat(tuple(reversed(tensor.chunk(2))))
        else:
            found[_renamed(name)] = tensor
    return found


def _renamed(name: str) -> str:
    for pattern, replacement in RENAMED:
        ours, count = re.subn(pattern, replacement, name)
        if count:
            return ours
    raise KeyError(name)


def _count(names: Shapes, pattern: str) -> int:
    return len({match[1] for name in names if (match := re.match(pattern, name))})
