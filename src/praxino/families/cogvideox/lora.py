"""What LoRA files call CogVideoX's layers: diffusers' names, and the authors' (SAT), whose attention is fused."""

from __future__ import annotations

import re

from praxino.families.cogvideox.convert import module_of

OF_DIFFUSERS = re.compile(
    r"transformer_blocks\.\d+\.(attn1\.(to_[qkv]|to_out\.0)|ff\.net\.(0\.proj|2)|norm[12]\.linear)"
    r"|patch_embed\.text_proj|proj_out|norm_out\.linear|(time|ofs)_embedding\.linear_[12]"
)


def targets(layer: str) -> tuple[str, ...]:
    """The layers that a name in a file stands for."""
    if OF_DIFFUSERS.fullmatch(layer):
        return (layer,)
    return tuple(name for name in module_of(layer) if OF_DIFFUSERS.fullmatch(name))
