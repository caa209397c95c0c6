"""safetensors files written one tensor after another: of what is mapped from disk, only one is in memory at a time.

safetensors' own writer wants the bytes of all tensors at once. Knows names and tensors, no networks.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

ALIGNMENT_BYTES = 8
SHARD_BYTES = 5_000_000_000
"""How much a file of a folder takes at most, but for a single tensor that is larger."""


def write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a file of tensors, each copied on its own. The format is that of safetensors 0.5 (its README)."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + num_bytes(tensor)
        entries[name] = {"dtype": _dtype(tensor), "shape": list(tensor.shape), "data_offsets": [start, end]}
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % ALIGNMENT_BYTES)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for tensor in tensors.values():
            file.write(_bytes(tensor))


def write_shards(folder: Path, stem: str, tensors: Mapping[str, Tensor], limit_bytes: int = SHARD_BYTES) -> None:
    """Write `stem`.safetensors, or where that would be too large, shards and their index as diffusers names them."""
    shards = list(_shards(tensors, limit_bytes))
    if len(shards) == 1:
        write(folder / f"{stem}.safetensors", tensors)
        return
    places: dict[str, str] = {}
    for number, names in enumerate(shards, 1):
        file = f"{stem}-{number:05}-of-{len(shards):05}.safetensors"
        write(folder / file, {name: tensors[name] for name in names})
        places |= dict.fromkeys(names, file)
    total = sum(map(num_bytes, tensors.values()))
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / f"{stem}.safetensors.index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")


def num_bytes(tensor: Tensor) -> int:
    """What a tensor takes by itself, however much it is a view of."""
    return tensor.numel() * tensor.element_size()


def _shards(tensors: Mapping[str, Tensor], limit_bytes: int) -> Iterator[list[str]]:
    names: list[str] = []
    taken = 0
    for name, tensor in tensors.items():
        size = num_bytes(tensor)
        if names and taken + size > limit_bytes:
            yield names
            names, taken = [], 0
        names.append(name)
        taken += size
    yield names


def _bytes(tensor: Tensor) -> bytes | memoryview:
    import torch

    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data


def _dtype(tensor: Tensor) -> str:
    """The format's name of a number format. Raises ValueError for one that it has not."""
    names = {
        "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
        "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL", "float8_e4m3fn": "F8_E4M3",
        "float8_e5m2": "F8_E5M2",
    }  # fmt: skip
    name = str(tensor.dtype).removeprefix("torch.")
    if name not in names:
        raise ValueError(f"safetensors files hold no {name}")
    return names[name]
