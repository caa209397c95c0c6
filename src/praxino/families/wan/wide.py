"""What of a transformer stays in float32 when the rest is run in half precision, as the authors' autocast has it.

Wan-Video/Wan2.1 at 9737cba, wan/modules/model.py: the stream between the blocks, what is added to it, the time
embedding, its projection and the head are float32; the linear layers within the blocks are not. diffusers rounds the
stream, the projection and the head.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

WIDE_PARTS = {"scale_shift_table", "time_embedder", "time_proj", "norm1", "norm2", "norm3"}
WIDE_ENDS = {"proj_out", "motion_encoder", "face_encoder"}
"""Networks before and behind the blocks: the head, and the small ones that read Animate's faces."""


def is_wide(name: str) -> bool:
    """Whether a weight of this name, as diffusers has it, is kept in float32."""
    parts = name.split(".")
    return parts[0] in WIDE_ENDS or not WIDE_PARTS.isdisjoint(parts)


def keep_stream_wide(transformer: Any, dtype: torch.dtype) -> None:
    """Let each narrow layer round what it is given to `dtype`, and nothing else; the stream begins in float32."""

    def rounded(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (inputs[0].to(dtype), *inputs[1:])

    for name, module in transformer.named_modules():
        if isinstance(module, nn.Linear | nn.Conv3d) and not is_wide(f"{name}.weight"):
            module.register_forward_pre_hook(rounded)
    transformer.patch_embedding.register_forward_hook(_widened)
    ends = [f"^{name}" for name in sorted(WIDE_ENDS)]
    transformer._skip_layerwise_casting_patterns = [*transformer._skip_layerwise_casting_patterns, *ends]


def _widened(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    return output.to(torch.float32)
