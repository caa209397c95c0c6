"""Single files in the authors' naming to diffusers' configs and names. No file is read here.

diffusers' own conversion is used. It knows the published width only, which shows in one place: how it cuts the fused
input layer of the single blocks. Those are cut here.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from praxino.families._stock.checkpoint import Shapes

FUSED = "single_blocks.{}.linear1.{}"
FUSED_PARTS = ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
PUBLISHED_ROWS = 3 * 3072 + 12288
"""Of the fused layer in the published checkpoints."""


def transformer_config(shapes: Shapes) -> dict[str, Any]:
    """The config of diffusers' FluxTransformer2DModel for tensors of these shapes."""
    hidden, in_channels = shapes["img_in.weight"]
    (head_dim,) = shapes["double_blocks.0.img_attn.norm.query_norm.scale"]
    index_dim = head_dim // 8
    side_dim = (head_dim - index_dim) // 2
    return {
        "in_channels": in_channels,
        "out_channels": shapes["final_layer.linear.weight"][0],
        "num_layers": _count(shapes, "double_blocks."),
        "num_single_layers": _count(shapes, "single_blocks."),
        "attention_head_dim": head_dim,
        "num_attention_heads": hidden // head_dim,
        "joint_attention_dim": shapes["txt_in.weight"][1],
        "pooled_projection_dim": shapes["vector_in.in_layer.weight"][1],
        "guidance_embeds": "guidance_in.in_layer.weight" in shapes,
        "axes_dims_rope": (index_dim, side_dim, side_dim),
    }


def transformer(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A transformer's tensors in diffusers' names; takes them out of `tensors`."""
    from diffusers.loaders.single_file_utils import convert_flux_transformer_checkpoint_to_diffusers

    hidden = tensors["img_in.weight"].shape[0]
    cut: dict[str, Tensor] = {}
    block = 0
    while FUSED.format(block, "weight") in tensors:
        for kind in ("weight", "bias"):
            name = FUSED.format(block, kind)
            fused = tensors[name]
            parts = fused.split([hidden, hidden, hidden, fused.shape[0] - 3 * hidden])
            for part, rows in zip(FUSED_PARTS, parts, strict=True):
                cut[f"single_transformer_blocks.{block}.{part}.{kind}"] = rows.contiguous()
            tensors[name] = fused.new_empty(PUBLISHED_ROWS, *(0 for _ in fused.shape[1:]))
        block += 1
    return {**convert_flux_transformer_checkpoint_to_diffusers(tensors), **cut}


def vae_config(shapes: Shapes) -> dict[str, Any]:
    """The config of diffusers' AutoencoderKL for tensors of these shapes."""
    levels = _count(shapes, "encoder.down.")
    widths = [shapes[f"encoder.down.{level}.block.0.conv2.weight"][0] for level in range(levels)]
    return {
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "block_out_channels": tuple(widths),
        "layers_per_block": _count(shapes, "encoder.down.0.block."),
        "latent_channels": shapes["decoder.conv_in.weight"][1],
        "scaling_factor": 0.3611,
        "shift_factor": 0.1159,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
    }


def vae(tensors: dict[str, Tensor], config: dict[str, Any]) -> dict[str, Tensor]:
    """A VAE's tensors in diffusers' names."""
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    return convert_ldm_vae_checkpoint(tensors, config)


def _count(shapes: Shapes, prefix: str) -> int:
    """How many numbers follow a prefix."""
    return len({name.removeprefix(prefix).split(".")[0] for name in shapes if name.startswith(prefix)})
