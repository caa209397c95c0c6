"""The layers of FramePack's transformer in a LoRA file: HunyuanVideo's, and what looks at the picture. No torch."""

from __future__ import annotations

from praxino.families._hunyuan.names import OUTER, targets_of

OWN = {
    **OUTER,
    "norm_out_linear": "norm_out.linear",
    "image_projection_up": "image_projection.up",
    "image_projection_down": "image_projection.down",
}
"""Layers outside of the blocks."""


def layers_of(layer: str) -> tuple[str, ...]:
    """See `LayersOf` of `_stock.family`."""
    return targets_of(layer, OWN)
