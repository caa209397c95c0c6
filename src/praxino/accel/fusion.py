"""Queries, keys and values of a diffusers network out of one product in place of three. Knows no family.

diffusers lays the three matrices into a further one, beside them, and its processors of attention use that. LoRAs and
adapters over the three would be lost: it is not for networks that have any.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def can_fuse(network: Any) -> bool:
    """Whether it changes anything: some networks inherit the method, and have processors that know nothing of it."""
    kind = type(network)
    if not hasattr(network, "fuse_qkv_projections"):
        return False
    own = "fuse_qkv_projections" in vars(kind)
    return own or "attn.fused_projections" in inspect.getsource(sys.modules[kind.__module__])


@contextmanager
def fused(network: Any) -> Iterator[None]:
    """While it holds, a network's projections are fused; afterwards it is as it was."""
    attentions = [module for module in network.modules() if hasattr(module, "fuse_projections")]
    before = [(module, module.processor, dict(module.named_children())) for module in attentions]
    try:
        network.fuse_qkv_projections()
        yield
    finally:
        for module, processor, children in before:
            module.processor = processor
            module.fused_projections = False
            for name in dict(module.named_children()).keys() - children.keys():
                delattr(module, name)
