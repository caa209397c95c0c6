"""What the header of a safetensors file says about a checkpoint of LTX-Video. No torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from praxino.families import _header

BLOCKS = "transformer_blocks."


@dataclass(frozen=True)
class Header(_header.Header):
    """With what only this family reads."""

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
    found = _header.read(path)
    return None if found is None else Header(found.shapes, found.metadata, found.is_whole)
