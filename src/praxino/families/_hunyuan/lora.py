"""LoRA weights over the transformer: added to what a layer puts out, and taken off without a trace.

Tencent adds scale x up x down to the weights and pays no heed to alpha (Tencent-Hunyuan/HunyuanVideo-I2V at 1481c1d,
hyvideo/utils/lora_utils.py); files of other trainers mean scale x alpha / rank. The weights stay untouched here.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, cat, nn

from praxino.errors import ModelError, UserError
from praxino.families._hunyuan.names import Piece, read_names
from praxino.families._low_rank import by_rows, check_shape, lay
from praxino.recipe import Lora

TakeOff = Callable[[], None]


@dataclass
class Layer:
    """The weights for one layer of a file, which may be several layers of the network."""

    piece: Piece
    A: Tensor | None = None
    """(rank, in)."""
    B: Tensor | None = None
    """(out, rank)."""
    alpha: float | None = None
    magnitude: Tensor | None = None
    """(out,), of DoRA."""


def apply(transformer: Any, laid: list[TakeOff], loras: tuple[Lora, ...], blocks: str = "") -> None:
    """Lay LoRAs over the transformer, in place of any laid before. A scale of 0 lays nothing.

    Args:
        transformer: what to lay them over.
        laid: what takes the LoRAs that are laid off again; changed to those of this call.
        loras: the files, with their scales.
        blocks: patterns of the layers to lay them over, by comma; "" means all.

    Raises:
        ModelError: a file's weights do not fit the transformer; nothing is laid then.
    """
    while laid:
        laid.pop()()
    pairs = [pair for lora in loras if lora.scale != 0 for pair in _pairs(transformer, lora, blocks)]
    laid.extend(lay(*pair) for pair in pairs)


def _pairs(transformer: Any, lora: Lora, blocks: str) -> list[tuple[Any, Tensor, Tensor, Tensor | None, float]]:
    """A layer of the network, A, B, magnitude and scale, for each layer that is meant."""
    path = Path(lora.path)
    patterns = [pattern.strip() for pattern in blocks.split(",") if pattern.strip()]
    pairs = []
    for layer in _read(path).values():
        for name, module, *weights in _cut(transformer, layer, path):
            if not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
                pairs.append((module, *weights, lora.scale))
    if not pairs:
        raise ModelError(f"no layer of {path} is named as in --lora-blocks {blocks}.")
    return pairs


def _read(path: Path) -> dict[tuple[str, ...], Layer]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
        pieces = read_names(tensors, path)
    except (OSError, SafetensorError, UserError, ValueError) as problem:
        raise ModelError(f"cannot read the LoRA {path}: {problem}") from problem
    layers: dict[tuple[str, ...], Layer] = {}
    for name, piece in pieces.items():
        layer = layers.setdefault(piece.targets, Layer(piece))
        setattr(layer, piece.role, float(tensors[name]) if piece.role == "alpha" else tensors[name].float())
    return layers


def _cut(transformer: Any, layer: Layer, path: Path) -> list[tuple[str, Any, Tensor, Tensor, Tensor | None]]:
    """A file's layer for each of the network's that share its rows: the same A, and B and magnitude cut by rows."""
    names = layer.piece.targets
    if layer.A is None or layer.B is None:
        raise ModelError(f"the LoRA {path} is incomplete: {names[0]} has not both of lora_A and lora_B.")
    modules: list[Any] = [_linear(transformer, name, path) for name in names]
    rank, rows = layer.A.shape[0], [module.out_features for module in modules]
    check_shape(path, f"{names[0]} (lora_A)", layer.A, (rank, modules[0].in_features))
    check_shape(path, f"{names[0]} (lora_B)", layer.B, (sum(rows), rank))
    weighed = layer.alpha is not None and not layer.piece.ignores_alpha
    B = layer.B * (layer.alpha / rank) if weighed else layer.B  # pyright: ignore[reportOptionalOperand]
    lengths = by_rows(path, names[0], layer.magnitude, rows)
    if layer.piece.swapped:
        B = cat(tuple(reversed(B.chunk(2))))
        lengths = [None if one is None else cat(tuple(reversed(one.chunk(2)))) for one in lengths]
    return [
        (name, module, layer.A, own, magnitude)
        for name, module, own, magnitude in zip(names, modules, B.split(rows), lengths, strict=True)
    ]


def _linear(transformer: Any, name: str, path: Path) -> nn.Linear:
    try:
        module = transformer.get_submodule(name)
    except AttributeError:
        raise ModelError(f"the LoRA {path} does not fit this model: it has no layer {name!r}.") from None
    if not isinstance(module, nn.Linear):
        raise ModelError(f"the LoRA {path} does not fit this model: {name!r} is no linear layer.")
    return module
