"""What LoRA files call CogVideoX's layers: diffusers' names, and the authors' (SAT), whose attention is fused.

Source of the latter: THUDM/SwissArmyTransformer, sat/model/finetune/lora2.py, and zai-org/CogVideo at 7a1af71,
tools/export_sat_lora_weight.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from praxino.families._low_rank import peft_alpha
from praxino.families.cogvideox.convert import module_of

OF_DIFFUSERS = re.compile(
    r"transformer_blocks\.\d+\.(attn1\.(to_[qkv]|to_out\.0)|ff\.net\.(0\.proj|2)|norm[12]\.linear)"
    r"|patch_embed\.text_proj|proj_out|norm_out\.linear|(time|ofs)_embedding\.linear_[12]"
)
SAT_ALPHA = 1.0
"""Of every layer of the authors' files, which do not tell it."""


def targets(layer: str) -> tuple[str, ...]:
    """The layers that a name in a file stands for; of a fused layer's part, that part."""
    if OF_DIFFUSERS.fullmatch(layer):
        return (layer,)
    path, _, number = layer.partition("#")
    names = tuple(name for name in module_of(path) if OF_DIFFUSERS.fullmatch(name))
    if not number:
        return names
    return names[int(number) : int(number) + 1]


def alpha(layer: str, metadata: Mapping[str, str]) -> float | None:
    """The alpha of a layer that brings none of its own."""
    return SAT_ALPHA if "#" in layer else peft_alpha(layer, metadata)
