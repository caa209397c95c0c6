"""Layers that lay their weights out as oneDNN's fastest kernels want them, before they first compute on a CPU.

torch multiplies with MKL there, which on AMD's processors leaves half of the machine unused, and lays a convolution's
weights out anew at each call. oneDNN's own operators, which torch's compiler uses too
(torch/_inductor/fx_passes/mkldnn_fusion.py), do neither. They add sums in another order: results differ in the last
digits. A layer for which they are not there, or give something else, stays plain.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxino.families.ltx_video.networks.network import Network

TOLERANCE = 1e-4
"""Of the largest value of a result."""
MOST_PARAMETERS = 32 * 2**20
"""Packed weights are a second copy: networks of more parameters than this stay plain."""

Product = Callable[[Tensor], Tensor]


class Packable(nn.Module):
    """A layer with a plain way to compute, and perhaps a packed one."""

    packs = False
    """Whether it is to be packed when it next computes."""
    _product: Product | None = None

    def forward(self, input: Tensor) -> Tensor:
        """The layer's result."""
        if self.packs:
            self._pack()
        if self._product is not None and input.is_cpu:
            return self._product(input)
        return self.plain(input)

    def plain(self, x: Tensor) -> Tensor:
        """The result by torch's own operator."""
        raise NotImplementedError

    def packed(self) -> Product:
        """The same by packed weights."""
        raise NotImplementedError

    def probe(self) -> Tensor:
        """Something small to compute."""
        raise NotImplementedError

    def _pack(self) -> None:
        self.packs = False
        try:
            product, probe = self.packed(), self.probe()
            found, expected = product(probe), self.plain(probe)
        except (RuntimeError, AttributeError):
            return
        if (found - expected).abs().max() <= TOLERANCE * expected.abs().max():
            self._product = product


class Linear(Packable, nn.Linear):
    """`nn.Linear` whose weights come from a file: none are drawn."""

    def reset_parameters(self) -> None:
        """Leave the weights as memory has them."""

    def plain(self, x: Tensor) -> Tensor:
        """See `Packable`."""
        return F.linear(x, self.weight, self.bias)

    def packed(self) -> Product:
        """See `Packable`."""
        return _linear(self.weight, self.bias)

    def probe(self) -> Tensor:
        """See `Packable`."""
        return torch.linspace(-1, 1, self.in_features)[None]


class GeluLinear(Linear):
    """A linear layer and the tanh approximation of GELU, as one operator where it is packed."""

    def plain(self, x: Tensor) -> Tensor:
        """See `Packable`."""
        return F.gelu(super().plain(x), approximate="tanh")

    def packed(self) -> Product:
        """See `Packable`."""
        return _linear(self.weight, self.bias, "gelu")


class Beside(Packable):
    """Linear layers of one input as one: their results side by side. It has no weights of its own."""

    def __init__(self, *linears: Linear) -> None:
        super().__init__()
        self.linears = linears

    def plain(self, x: Tensor) -> Tensor:
        """See `Packable`."""
        return torch.cat([linear.plain(x) for linear in self.linears], dim=-1)

    def packed(self) -> Product:
        """See `Packable`."""
        biases: list[Tensor] = [linear.bias for linear in self.linears if linear.bias is not None]
        weights: list[Tensor] = [linear.weight for linear in self.linears]
        return _linear(torch.cat(weights), torch.cat(biases) if biases else None)

    def probe(self) -> Tensor:
        """See `Packable`."""
        return self.linears[0].probe()


class Conv3d(Packable, nn.Conv3d):
    """`nn.Conv3d` whose weights come from a file: none are drawn."""

    def reset_parameters(self) -> None:
        """Leave the weights as memory has them."""

    def plain(self, x: Tensor) -> Tensor:
        """See `Packable`."""
        return self._conv_forward(x, self.weight, self.bias)

    def packed(self) -> Product:
        """See `Packable`."""
        how = (self.padding, self.stride, self.dilation, self.groups)
        reorder = torch._C._nn.mkldnn_reorder_conv3d_weight  # pyright: ignore[reportAttributeAccessIssue]
        weight, bias = reorder(self.weight.detach().to_mkldnn(), *how), self.bias
        operator = torch.ops.mkldnn._convolution_pointwise.default
        return lambda x: operator(x, weight, bias, *how, "none", [], "")

    def probe(self) -> Tensor:
        """See `Packable`."""
        shape = (1, self.in_channels, 3, 3, 3)
        return torch.linspace(-1, 1, math.prod(shape)).view(shape)


def _linear(weight: Tensor, bias: Tensor | None, then: Literal["none", "gelu"] = "none") -> Product:
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), None)
    operator, how = torch.ops.mkldnn._linear_pointwise.default, "tanh" if then == "gelu" else ""
    return lambda x: operator(x, packed, bias, then, [], how)


def prepare(network: Network) -> None:
    """Make a small network on a CPU fast: its layers are packed before they first compute, if torch has oneDNN."""
    network.few_threads = sum(parameter.numel() for parameter in network.parameters()) <= MOST_PARAMETERS
    if network.few_threads and torch.backends.mkldnn.is_available():
        for module in network.modules():
            if isinstance(module, Packable):
                module.packs = True
