"""Linear layers of denoisers whose products are made of 8-bit numbers, by torchao. Knows no family.

Weights are rounded once, by output channel; activations at each call, by token. It is not the memory plan float8, which
keeps weights in 8 bits and computes in the format that they had. Nothing of it is saved.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from praxino.accel.compiled import blocks
from praxino.errors import ModelError

LEAST_FEATURES = 512
"""Of a layer's input and output: rounding the activations of smaller ones takes what their products save."""
ALIGNED = 16
"""Numbers of features have to be multiples of it, for the GPU's 8-bit products."""


def quantise(parts: Any, kind: str, device: str) -> None:
    """Round the linear layers in the denoisers' blocks, for good.

    Args:
        parts: what a family has loaded, equipped.
        kind: int8, or float8 (e4m3).
        device: that they will compute on.

    Raises:
        ModelError: torchao is not there, or cannot do it on this device.
    """
    try:
        quantize, config = _torchao(kind)
        for block in blocks(parts):
            quantize(block, config, filter_fn=_pays)
    except (ImportError, AssertionError, RuntimeError, ValueError) as problem:
        if isinstance(problem, torch.OutOfMemoryError):
            raise
        raise ModelError(
            f"layers cannot be computed in {kind} on {device}: {problem}\n"
            "Draw without: PRAXINO_WITHOUT=quantised; or install what does it: pip install 'praxino[quantised]'"
        ) from problem


def _torchao(kind: str) -> tuple[Any, Any]:
    """What rounds layers, and how. torchao's own settings of the compiler would change what others are compiled to."""
    from torchao.quantization import (  # pyright: ignore[reportMissingImports]
        Float8DynamicActivationFloat8WeightConfig,
        Int8DynamicActivationInt8WeightConfig,
        PerRow,
        quantize_,
    )

    if kind == "int8":
        return quantize_, Int8DynamicActivationInt8WeightConfig(set_inductor_config=False)
    return quantize_, Float8DynamicActivationFloat8WeightConfig(granularity=PerRow(), set_inductor_config=False)


def _pays(module: nn.Module, name: str) -> bool:
    """Whether a layer is rounded: large ones, but for those that make modulations, of one row, out of noise levels."""
    if not isinstance(module, nn.Linear) or any(part.startswith("norm") for part in name.split(".")):
        return False
    features = (module.in_features, module.out_features)
    return min(features) >= LEAST_FEATURES and all(count % ALIGNED == 0 for count in features)
