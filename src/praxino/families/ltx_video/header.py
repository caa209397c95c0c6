"""The header of a safetensors file: names, shapes and metadata, without its tensors. No torch."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_HEADER_BYTES = 100_000_000
"""The limit of the safetensors format."""
BLOCKS = "transformer_blocks."


@dataclass(frozen=True)
class Header:
    """What a safetensors file says about its tensors."""

    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, str]

    def shape(self, name: str) -> tuple[int, ...] | None:
        """A tensor's shape, None if there is no such tensor."""
        return self.shapes.get(name)

    def num_layers(self) -> int:
        """How many transformer blocks there are."""
        return len({key.split(BLOCKS)[1].split(".")[0] for key in self.shapes if BLOCKS in key})

    def config(self) -> dict[str, Any]:
        """The configs that Lightricks write into their files' metadata; {} if there are none."""
        try:
            config = json.loads(self.metadata.get("config", "{}"))
        except ValueError:
            return {}
        return config if isinstance(config, dict) else {}


def read_header(path: Path) -> Header | None:
    """The header, or None when the file is no safetensors file."""
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(8)
        size = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 0 < size <= MAX_HEADER_BYTES:
            return None
        raw = file.read(size)
    try:
        entries = json.loads(raw)
        metadata = entries.pop("__metadata__", {})
        return Header({name: tuple(entry["shape"]) for name, entry in entries.items()}, metadata)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
