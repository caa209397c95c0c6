"""Products of linear layers and convolutions on a CPU by oneDNN's own operators, in float32, bfloat16 and 8 bits.

torch multiplies float32 with MKL there, which on AMD's processors leaves half of the machine unused, and lays a
convolution's weights out anew at each call. oneDNN's operators, which torch's compiler uses too
(torch/_inductor/fx_passes/mkldnn_fusion.py and quantization.py), do neither. They add sums in another order. Knows no
network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

Product = Callable[[Tensor], Tensor]
Then = Literal["none", "gelu"]
"""What follows a product, in the same operator: GELU by its tanh approximation."""
MOST_INT8, UINT8_ZERO = 127, 128
"""Rounded weights are of -127 to 127; rounded inputs likewise, stored with 128 more: oneDNN is slow with signs."""

LEAST = 1e-30
"""What is all 0 is divided by this."""
FEWEST_ROWS = 32


def linear(weight: Tensor, bias: Tensor | None, then: Then = "none", *, packs: bool = True) -> Product:
    """(..., in) to (..., out), of float32 weights (out, in), laid out once where it packs: that is a second copy."""
    operator, how = torch.ops.mkldnn._linear_pointwise.default, _how(then)
    laid = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), None) if packs else weight
    return lambda x: operator(x, laid, bias, then, [], how)


def linear_bfloat16(weight: Tensor, bias: Tensor | None, then: Then = "none", *, widens: bool = True) -> Product:
    """As `linear`, multiplied in bfloat16 and added up in float32; what comes out stays rounded where it widens not."""
    operator, how = torch.ops.mkldnn._linear_pointwise.default, _how(then)
    laid = torch.ops.mkldnn._reorder_linear_weight(weight.detach().bfloat16().contiguous(), None)
    rounded = None if bias is None else bias.detach().bfloat16()
    given = torch.float32 if widens else torch.bfloat16
    return lambda x: operator(x.bfloat16(), laid, rounded, then, [], how).to(given)


def linear_int8(weight: Tensor, bias: Tensor | None) -> Product:
    """As `linear`, multiplied in 8 bits: one scale for each row of the weights, one for each token (..., 1).

    Takes and gives float32 or bfloat16; the weights are of either.
    """
    rows = weight.detach().float()
    scales = rows.abs().amax(1).clamp(min=LEAST) / MOST_INT8
    laid = torch.ops.onednn.qlinear_prepack((rows / scales[:, None]).round().to(torch.int8), None)
    operator, zeros = torch.ops.onednn.qlinear_pointwise.default, torch.zeros(len(rows), dtype=torch.int64)
    added = torch.zeros(len(rows)) if bias is None else bias.detach().float()

    def product(x: Tensor) -> Tensor:
        levels, worth = rounded(x)
        found = operator(levels, 1.0, UINT8_ZERO, laid, scales, zeros, None, 1.0, 0, torch.float32, "none", [], "")
        return torch.addcmul(added, found, worth).to(x.dtype)

    return product


def of_many_rows(product: Product, plain: Product, width: int) -> Product:
    """For inputs of `width` channels: the plain product where they have few tokens, which it soon has done."""

    def multiplied(input: Tensor) -> Tensor:  # by the name that nn.Linear gives it: some are called by it
        return product(input) if input.numel() >= FEWEST_ROWS * width else plain(input)

    return multiplied


def rounded(x: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens (..., C) as uint8 levels around 128, and what a level is worth in each token, (..., 1) float32."""
    x = x.float()
    most = x.abs().amax(-1, keepdim=True).clamp(min=LEAST)
    signed = (x * (MOST_INT8 / most)).round_().to(torch.int8)  # to uint8 at once takes four times as long
    return signed.view(torch.uint8).bitwise_xor_(UINT8_ZERO), most / MOST_INT8


def conv3d(weight: Tensor, bias: Tensor | None, how: Sequence[object]) -> Product:
    """(B, in, F, H, W) to (B, out, ...), channels last; `how` is padding, stride, dilation and groups."""
    reorder = torch._C._nn.mkldnn_reorder_conv3d_weight  # pyright: ignore[reportAttributeAccessIssue]
    laid = reorder(weight.detach().to_mkldnn(), *how)
    operator = torch.ops.mkldnn._convolution_pointwise.default
    return lambda x: operator(x, laid, bias, *how, "none", [], "")


def _how(then: Then) -> str:
    return "tanh" if then == "gelu" else ""
