"""Layers that lay their weights out as oneDNN's fastest kernels want them, before they first compute on a CPU.

Those of large networks leave them as they are: a second copy would take too much memory, and oneDNN is the faster one
all the same. Results differ in the last digits. Where a run asks for it, linear layers multiply in bfloat16. A layer
for which oneDNN's operators are not there, or give something else, stays plain.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxino.families import _products
from praxino.families._products import Product

TOLERANCE, NARROW_TOLERANCE = 1e-4, 0.05
"""Of the largest value of a result."""


class Packable(nn.Module):
    """A layer with a plain way to compute, and perhaps packed ones."""

    packs = False
    """Whether it is to be packed when it next computes."""
    copies = True
    """Whether it may keep a second copy of its weights for that."""
    narrows = False
    """Whether it multiplies in bfloat16, where it can."""
    _product: Product | None = None
    _narrow: Product | None = None

    def forward(self, input: Tensor) -> Tensor:
        """The layer's result."""
        if self.packs:
            self.packs = False
            self._product = self._checked(self.packed, TOLERANCE)
        product = self._narrow if self.narrows and self._narrow is not None else self._product
        if product is not None and input.is_cpu:
            return product(input)
        return self.plain(input)

    def plain(self, x: Tensor) -> Tensor:
        """The result by torch's own operator."""
        raise NotImplementedError

    def packed(self) -> Product:
        """The same by packed weights."""
        raise NotImplementedError

    def packed_narrow(self) -> Product:
        """About the same, multiplied in bfloat16. RuntimeError where that is not to be had."""
        raise NotImplementedError

    def probe(self) -> Tensor:
        """Something small to compute."""
        raise NotImplementedError

    def can_narrow(self) -> bool:
        """Whether it can multiply in bfloat16; the weights are laid out for it when this is first asked."""
        if self._narrow is None:
            self._narrow = self._checked(self.packed_narrow, NARROW_TOLERANCE)
        return self._narrow is not None

    def _checked(self, make: Callable[[], Product], tolerance: float) -> Product | None:
        try:
            product, probe = make(), self.probe()
            found, expected = product(probe), self.plain(probe)
        except (RuntimeError, AttributeError):
            return None
        return product if (found - expected).abs().max() <= tolerance * expected.abs().max() else None


class Linear(Packable, nn.Linear):
    """`nn.Linear` whose weights come from a file: none are drawn."""

    then: _products.Then = "none"

    def reset_parameters(self) -> None:
        """Leave the weights as memory has them."""

    def plain(self, x: Tensor) -> Tensor:
        """See `Packable`."""
        return F.linear(x, self.weight, self.bias)

    def packed(self) -> Product:
        """See `Packable`."""
        product = _products.linear(self.weight, self.bias, self.then, packs=self.copies)
        return product if self.copies else _products.of_many_rows(product, self.plain, self.in_features)

    def packed_narrow(self) -> Product:
        """See `Packable`."""
        return _products.linear_bfloat16(self.weight, self.bias, self.then)

    def probe(self) -> Tensor:
        """See `Packable`."""
        return _waves(_products.FEWEST_ROWS * self.in_features).view(-1, self.in_features)


class GeluLinear(Linear):
    """A linear layer and the tanh approximation of GELU, as one operator where it is packed."""

    then = "gelu"

    def plain(self, x: Tensor) -> Tensor:
        """See `Packable`."""
        return F.gelu(super().plain(x), approximate="tanh")

    def packed_narrow(self) -> Product:
        """See `Packable`. The result stays in bfloat16, since another layer follows."""
        return _products.linear_bfloat16(self.weight, self.bias, self.then, widens=False)


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
        if self.copies:
            return _products.linear(*self._together())
        products = [linear.packed() for linear in self.linears]
        return lambda x: torch.cat([product(x) for product in products], dim=-1)

    def packed_narrow(self) -> Product:
        """See `Packable`."""
        return _products.linear_bfloat16(*self._together())

    def probe(self) -> Tensor:
        """See `Packable`."""
        return self.linears[0].probe()

    def _together(self) -> tuple[Tensor, Tensor | None]:
        biases: list[Tensor] = [linear.bias for linear in self.linears if linear.bias is not None]
        weights: list[Tensor] = [linear.weight for linear in self.linears]
        return torch.cat(weights), torch.cat(biases) if biases else None


class Conv3d(Packable, nn.Conv3d):
    """`nn.Conv3d` whose weights come from a file: none are drawn."""

    def reset_parameters(self) -> None:
        """Leave the weights as memory has them."""

    def plain(self, x: Tensor) -> Tensor:
        """See `Packable`."""
        return self._conv_forward(x, self.weight, self.bias)

    def packed(self) -> Product:
        """See `Packable`."""
        if not self.copies:
            raise RuntimeError("there is none without a copy")
        how = (self.padding, self.stride, self.dilation, self.groups)
        return _products.conv3d(self.weight, self.bias, how)

    def probe(self) -> Tensor:
        """See `Packable`."""
        shape = (1, self.in_channels, 3, 3, 3)
        return _waves(math.prod(shape)).view(shape).contiguous(memory_format=torch.channels_last_3d)


def _waves(count: int) -> Tensor:
    """Values of -1 to 1 in which no neighbours are alike."""
    return (12.9898 * torch.arange(count)).sin()
