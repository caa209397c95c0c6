"""What LoRA files call Mochi's layers: diffusers' names, and Genmo's (demos/fine_tuner), whose attention is fused."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from praxino.families._low_rank import Targets, peft_alpha
from praxino.families.mochi.convert import module_of

OF_DIFFUSERS = re.compile(
    r"transformer_blocks\.\d+\.(attn1\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)|ff(_context)?\.net\.(0\.proj|2)"
    r"|norm1(_context)?\.linear(_1)?)|proj_out|norm_out\.linear"
    r"|time_embed\.(timestep_embedder\.linear_[12]|caption_proj|pooler\.(to_kv|to_q|to_out))"
)


def targets(num_layers: int) -> Targets:
    """The layers that a name in a file stands for."""

    def found(layer: str) -> tuple[str, ...]:
        if OF_DIFFUSERS.fullmatch(layer):
            return (layer,)
        return () if HALVES.search(layer) else module_of(layer, num_layers)

    return found


def alpha(layer: str, metadata: Mapping[str, str]) -> float | None:
    """The alpha that a file's metadata tells.

    Genmo write the arguments of their transformer there (genmoai/mochi at 0c86aeb, demos/fine_tuner/train.py).
    """
    try:
        told = json.loads(metadata.get("kwargs", "{}"))
    except ValueError:
        told = {}
    found = told.get("qkv_proj_lora_alpha" if ".qkv_" in layer else "out_proj_lora_alpha")
    return peft_alpha(layer, metadata) if found is None else found


HALVES = re.compile(r"final_layer\.mod|mlp_[xy]\.w1|x_embedder")
"""Genmo's layers whose rows lie otherwise in diffusers, or that are no linear layers; its LoRAs train attention."""
