"""The layers of HunyuanVideo 1.5's transformer in a LoRA file: Tencent's names, ComfyUI's and diffusers'. No torch.

Tencent's: huggingface/diffusers, scripts/convert_hunyuan_video1_5_to_diffusers.py. ComfyUI has a stream's queries,
keys and values in one, as the first HunyuanVideo.
"""

from __future__ import annotations

from praxino.families._hunyuan.names import BLOCKS, DOUBLE, OUTER, SWAPPED, targets_of

WORDS = "txt_in_"
OWN = {
    **{name: layer for name, layer in OUTER.items() if name.startswith(WORDS)},
    "time_in_mlp_0": "time_embed.timestep_embedder.linear_1",
    "time_in_mlp_2": "time_embed.timestep_embedder.linear_2",
    "byt5_in_fc1": "context_embedder_2.linear_1",
    "byt5_in_fc2": "context_embedder_2.linear_2",
    "byt5_in_fc3": "context_embedder_2.linear_3",
    "vision_in_proj_1": "image_embedder.linear_1",
    "vision_in_proj_3": "image_embedder.linear_2",
    "final_layer_linear": "proj_out",
    "norm_out_linear": "norm_out.linear",
    SWAPPED: "norm_out.linear",
}
"""Layers outside of the blocks."""
APART = {
    f"{stream}_attn_{part}": (f"attn.{layer.format(part)}",)
    for stream, layer in (("img", "to_{}"), ("txt", "add_{}_proj"))
    for part in "qkv"
}
OWN_BLOCKS = tuple(
    (pattern, named, {**layers, **APART} if layers is DOUBLE else layers)
    for pattern, named, layers in BLOCKS
    if not pattern.startswith("single")
)
"""A block's name in a file, in the network, and its layers."""


def layers_of(layer: str) -> tuple[str, ...]:
    """See `LayersOf` of `_stock.family`."""
    return targets_of(layer, OWN, OWN_BLOCKS)
