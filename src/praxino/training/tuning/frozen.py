"""Owns layers whose weights stay as they are and are kept in eight bits: half of bfloat16's memory.

Each row of a matrix is float8 (e4m3) times a scale of its own, and becomes a matrix of the format that is computed in
when it is used, on the way there and on the way back. Knows no family.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LARGEST = 448.0
"""Of float8 e4m3 (Micikevicius et al. 2022, arXiv:2209.05433, table 1)."""


class Float8Linear(nn.Linear):
    """A linear layer with a frozen weight (out, in), float8, and the scale of its rows (out, 1), float32."""

    scale: Tensor

    def forward(self, input: Tensor) -> Tensor:
        """Numbers (..., in) as (..., out), computed in the input's format or in autocast's."""
        return _Product.apply(input, self.weight, self.scale, self.bias)  # pyright: ignore[reportReturnType]


class _Product(torch.autograd.Function):
    """x W^T + b, of which the way back keeps the eight bits of W alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        ctx.save_for_backward(weight, scale)
        ctx.dtype = x.dtype
        return F.linear(x.to(dtype), dense(weight, scale, dtype), None if bias is None else bias.to(dtype))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        weight, scale = ctx.saved_tensors
        return (grads[0] @ dense(weight, scale, grads[0].dtype)).to(ctx.dtype), None, None, None


def dense(weight: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """The matrix that eight bits and scales stand for."""
    return weight.to(dtype) * scale.to(dtype)


def keep_in_float8(network: nn.Module) -> None:
    """Keep the frozen matrices of a network's blocks in eight bits; what is before and behind them stays."""
    for blocks in network.children():
        for module in blocks.modules() if isinstance(blocks, nn.ModuleList) else ():
            if type(module) is nn.Linear and not module.weight.requires_grad:
                weight = module.weight.detach().float()
                scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny) / LARGEST
                module.weight = nn.Parameter((weight / scale).to(torch.float8_e4m3fn), requires_grad=False)
                module.register_buffer("scale", scale, persistent=False)
                module.__class__ = Float8Linear
