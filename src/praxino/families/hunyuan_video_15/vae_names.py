"""HunyuanVideo 1.5's VAE in Tencent's naming, as diffusers' AutoencoderKLHunyuanVideo15. No file is read here.

Source: Tencent-Hunyuan/HunyuanVideo-1.5 at 60783e7, hyvideo/models/autoencoders/hunyuanvideo_15_vae.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

RENAMED = (
    (r"\.mid\.block_1\.", ".mid_block.resnets.0."),
    (r"\.mid\.block_2\.", ".mid_block.resnets.1."),
    (r"\.mid\.attn_1\.([qkv])\.", r".mid_block.attentions.0.to_\1."),
    (r"\.mid\.attn_1\.", ".mid_block.attentions.0."),
    (r"\.(down|up)\.(\d+)\.block\.", r".\1_blocks.\2.resnets."),
    (r"\.(down|up)\.(\d+)\.(down|up)sample\.", r".\1_blocks.\2.\3samplers.0."),
    (r"\.nin_shortcut\.", ".conv_shortcut."),
)
SAME = (
    "in_channels", "out_channels", "latent_channels", "block_out_channels", "layers_per_block", "scaling_factor",
    "downsample_match_channel", "upsample_match_channel",
)  # fmt: skip
OTHERWISE = {"ffactor_spatial": "spatial_compression_ratio", "ffactor_temporal": "temporal_compression_ratio"}
"""Fields of Tencent's config.json, and diffusers' where they are called otherwise."""


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights in diffusers' names."""
    found = {}
    for name, tensor in tensors.items():
        for pattern, replacement in RENAMED:
            name = re.sub(pattern, replacement, name)
        found[name] = tensor
    return found


def config_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """The diffusers config, from what Tencent's config.json says."""
    fields = {**dict(zip(SAME, SAME, strict=True)), **OTHERWISE}
    return {ours: told[theirs] for theirs, ours in fields.items() if told.get(theirs) is not None}
