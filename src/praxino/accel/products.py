"""Other products of a denoiser's linear layers on a CPU. Knows no family.

onednn: in float32 by oneDNN in place of MKL, twice as fast on AMD's processors; no second copy of the weights. int8: of
numbers rounded to 8 bits, with a copy of the weights in them; on processors with instructions for it. bfloat16: in
networks that have such products themselves. Whether one pays is tried (`praxino.accel.trials`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from praxino.accel.hardware import cpu_multiplies_int8
from praxino.accel.memory import main_memory
from praxino.accel.networks import computing
from praxino.families._products import Product, linear, linear_int8, of_many_rows

ONEDNN, INT8, BFLOAT16 = "onednn", "int8", "bfloat16"
ROOM = 2
"""Rounded weights are made where so many times their bytes are free."""


def kinds(network: Any, device: str) -> list[str]:
    """Those to be tried for a network on cpu, cuda, ..."""
    layers = _layers(network)
    if device != "cpu" or not layers or not torch.backends.mkldnn.is_available():
        return []
    found = [ONEDNN] if layers[0].weight.dtype == torch.float32 else []
    has_room = main_memory()[0] >= ROOM * sum(layer.weight.numel() for layer in layers)
    return [*found, INT8] if cpu_multiplies_int8() and has_room else found


@contextmanager
def multiplying(network: Any, kind: str) -> Iterator[None]:
    """While it holds, a network's linear layers multiply in another way.

    Raises:
        RuntimeError: they cannot do that here.
    """
    layers = _layers(network)
    if not (hasattr(network, "narrowed") if kind == BFLOAT16 else layers):
        raise RuntimeError("these networks have no such products")
    if kind != BFLOAT16 and not all(layer.weight.is_cpu for layer in layers):
        raise RuntimeError("oneDNN multiplies on a CPU alone")
    with network.narrowed() if kind == BFLOAT16 else _laid(layers, kind):
        yield


@contextmanager
def _laid(layers: list[nn.Linear], kind: str) -> Iterator[None]:
    with ExitStack() as undo:
        for layer in layers:
            product = _product(layer, kind)
            undo.enter_context(computing(layer, of_many_rows(product, layer.forward, layer.in_features)))
        yield


def _layers(network: Any) -> list[nn.Linear]:
    """Those that compute as torch has it."""
    found = [module for module in network.modules() if isinstance(module, nn.Linear)]
    return [layer for layer in found if type(layer).forward is nn.Linear.forward and "forward" not in vars(layer)]


def _product(layer: nn.Linear, kind: str) -> Product:
    if kind == INT8:
        return linear_int8(layer.weight, layer.bias)
    return linear(layer.weight.detach(), layer.bias, packs=False)
