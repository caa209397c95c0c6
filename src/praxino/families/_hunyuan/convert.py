"""A transformer in Tencent's naming to diffusers' config and names. No file is read here.

diffusers' own conversion is used. It knows the published width only, which shows in one place: how it cuts the fused
input layer of the single-stream blocks. Those are cut here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from praxino.families._hunyuan.settings import Kind
from praxino.families._stock.checkpoint import Shapes

if TYPE_CHECKING:
    from torch import Tensor

FUSED = re.compile(r"single_blocks\.(\d+)\.linear1\.(weight|bias)")
FUSED_PARTS = ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
CONDITION_TYPES = {"text": None, "token-replace": "token_replace", "latent-concat": "latent_concat"}
"""diffusers' image_condition_type of each kind."""
TEMPORAL_SHARE = 8
"""Of a head's channels, one in so many turns with time; the others are halved between height and width."""


def transformer_config(shapes: Shapes, kind: Kind) -> dict[str, Any]:
    """The config of diffusers' HunyuanVideoTransformer3DModel for tensors of these shapes."""
    hidden, in_channels, patch_t, patch, _ = shapes["img_in.proj.weight"]
    (head_dim,) = shapes["double_blocks.0.img_attn_q_norm.weight"]
    temporal = head_dim // TEMPORAL_SHARE
    return {
        "in_channels": in_channels,
        "out_channels": shapes["final_layer.linear.weight"][0] // (patch_t * patch * patch),
        "num_attention_heads": hidden // head_dim,
        "attention_head_dim": head_dim,
        "num_layers": count(shapes, "double_blocks."),
        "num_single_layers": count(shapes, "single_blocks."),
        "num_refiner_layers": count(shapes, "txt_in.individual_token_refiner.blocks."),
        "mlp_ratio": shapes["double_blocks.0.img_mlp.fc1.weight"][0] / hidden,
        "patch_size": patch,
        "patch_size_t": patch_t,
        "guidance_embeds": "guidance_in.mlp.0.weight" in shapes,
        "text_embed_dim": shapes["txt_in.input_embedder.weight"][1],
        "pooled_projection_dim": shapes["vector_in.in_layer.weight"][1],
        "rope_axes_dim": (temporal, (head_dim - temporal) // 2, (head_dim - temporal) // 2),
        "image_condition_type": CONDITION_TYPES[kind],
    }


def transformer(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A transformer's tensors in diffusers' names; takes them out of `tensors`."""
    from diffusers.loaders.single_file_utils import convert_hunyuan_video_transformer_to_diffusers

    hidden = tensors["img_in.proj.weight"].shape[0]
    cut: dict[str, Tensor] = {}
    for name in [name for name in tensors if FUSED.fullmatch(name)]:
        block, what = name.split(".")[1], name.rpartition(".")[2]
        fused = tensors.pop(name)
        rows = fused.split([hidden, hidden, hidden, fused.shape[0] - 3 * hidden])
        for part, own in zip(FUSED_PARTS, rows, strict=True):
            cut[f"single_transformer_blocks.{block}.{part}.{what}"] = own.contiguous()
    return {**convert_hunyuan_video_transformer_to_diffusers(tensors), **cut}


def count(shapes: Shapes, prefix: str) -> int:
    """How many numbers follow a prefix."""
    return len({name.removeprefix(prefix).split(".")[0] for name in shapes if name.startswith(prefix)})
