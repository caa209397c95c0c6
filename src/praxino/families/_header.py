"""The header of a safetensors file: names, shapes and metadata, without its tensors. No torch, no safetensors."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

MAX_HEADER_BYTES = 100_000_000
"""The limit of the safetensors format."""


@dataclass(frozen=True)
class Header:
    """What a safetensors file says about its tensors."""

    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, str]
    is_whole: bool = True
    """Whether the file is as long as its header says."""


def read(path: Path) -> Header | None:
    """The header, or None when the file is no safetensors file."""
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            head = file.read(8)
            size = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
            if not 0 < size <= MAX_HEADER_BYTES:
                return None
            entries = json.loads(file.read(size))
        metadata = entries.pop("__metadata__", {})
        shapes = {name: tuple(entry["shape"]) for name, entry in entries.items()}
        end = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
        return Header(shapes, metadata, 8 + size + end == path.stat().st_size)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None
