"""What a scheduler and a generator keep between two steps, as tensors that safetensors can hold, and back.

Strides are kept too: kernels round differently on another layout, and a file holds everything contiguous.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from torch import Tensor

SCHEDULER = "scheduler"
"""JSON in bytes; the tensors that it speaks of are beside it, under "scheduler.0", "scheduler.1", ..."""
GENERATOR = "generator"


def pack(scheduler: Any, generator: torch.Generator) -> dict[str, Tensor]:
    """Copies of everything that the two will be changed by, or change."""
    tensors: dict[str, Tensor] = {}
    kept = {name: value for name, value in vars(scheduler).items() if not name.startswith("_internal")}
    plain = {name: _packed(value, tensors) for name, value in kept.items()}
    told = torch.frombuffer(bytearray(json.dumps(plain).encode()), dtype=torch.uint8)
    return {**tensors, SCHEDULER: told, GENERATOR: generator.get_state()}


def unpack(tensors: dict[str, Tensor], scheduler: Any, generator: torch.Generator, device: torch.device) -> None:
    """Put back what `pack` took."""
    plain = json.loads(bytes(tensors[SCHEDULER].tolist()))
    for name, value in plain.items():
        setattr(scheduler, name, _unpacked(value, tensors, device))
    generator.set_state(tensors[GENERATOR].cpu())


def _packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor | np.ndarray):
        name = f"{SCHEDULER}.{len(tensors)}"
        copy = value.detach().clone() if isinstance(value, Tensor) else torch.from_numpy(value.copy())
        tensors[name] = copy
        kind = "array" if isinstance(value, np.ndarray) else value.device.type
        return {"tensor": name, "kind": kind, "strides": copy.stride()}
    if isinstance(value, list | tuple):
        return {"items": [_packed(item, tensors) for item in value]}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a scheduler keeps {value!r}, which no checkpoint can hold")


def _unpacked(value: Any, tensors: dict[str, Tensor], device: torch.device) -> Any:
    if not isinstance(value, dict):
        return value
    if "items" in value:
        return [_unpacked(item, tensors, device) for item in value["items"]]
    saved = tensors[value["tensor"]]
    home = "cpu" if value["kind"] in ("array", "cpu") else device
    tensor = torch.empty_strided(saved.shape, value["strides"], dtype=saved.dtype, device=home).copy_(saved)
    return tensor.numpy() if value["kind"] == "array" else tensor
