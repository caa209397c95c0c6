"""The layers of Stable Diffusion 3 in a LoRA file in the original code's names, as kohya and ComfyUI write. No torch.

huggingface/diffusers, scripts/convert_sd3_to_diffusers.py. A stream's queries, keys and values are one layer there.
"""

from __future__ import annotations

import re

PARTS = ("to_q", "to_k", "to_v")
PICTURE = {
    "attn_qkv": tuple(f"attn.{part}" for part in PARTS),
    "attn_proj": ("attn.to_out.0",),
    "attn2_qkv": tuple(f"attn2.{part}" for part in PARTS),
    "attn2_proj": ("attn2.to_out.0",),
    "mlp_fc1": ("ff.net.0.proj",),
    "mlp_fc2": ("ff.net.2",),
    "adaLN_modulation_1": ("norm1.linear",),
}
WORDS = {
    "attn_qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "attn_proj": ("attn.to_add_out",),
    "mlp_fc1": ("ff_context.net.0.proj",),
    "mlp_fc2": ("ff_context.net.2",),
    "adaLN_modulation_1": ("norm1_context.linear",),
}
"""Layers of a block's two streams."""
OUTER = {
    "x_embedder_proj": "pos_embed.proj",
    "context_embedder": "context_embedder",
    "t_embedder_mlp_0": "time_text_embed.timestep_embedder.linear_1",
    "t_embedder_mlp_2": "time_text_embed.timestep_embedder.linear_2",
    "y_embedder_mlp_0": "time_text_embed.text_embedder.linear_1",
    "y_embedder_mlp_2": "time_text_embed.text_embedder.linear_2",
    "final_layer_linear": "proj_out",
    "final_layer_adaLN_modulation_1": "norm_out.linear",
}
"""Layers outside of the blocks."""
BLOCK = re.compile(r"joint_blocks_(\d+)_(x|context)_block_(\w+)")


def layers_of(layer: str) -> tuple[str, ...]:
    """See `LayersOf` of `_stock.family`."""
    if match := BLOCK.fullmatch(layer):
        found = (PICTURE if match[2] == "x" else WORDS).get(match[3], ())
        return tuple(f"transformer_blocks.{match[1]}.{name}" for name in found)
    return (OUTER[layer],) if layer in OUTER else ()
