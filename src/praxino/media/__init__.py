"""Reads pictures and clips, writes GIFs, videos and stills, and keeps in each file how it was made.

Knows frames, (F, H, W, 3) uint8 RGB, and `recipe.Encoding`; knows no model, no prompt and no torch. What is named here
is imported when it is first asked for: numpy, Pillow and PyAV are slow to import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from praxino.media.embedding import embed, load
    from praxino.media.formats import OPAQUE, STILL, check_encoding, check_output, format_of
    from praxino.media.matting import plainness
    from praxino.media.provenance import read_metadata
    from praxino.media.read import is_clip, read_clip, read_picture
    from praxino.media.write import save

__all__ = [
    "OPAQUE",
    "STILL",
    "check_encoding",
    "check_output",
    "embed",
    "format_of",
    "is_clip",
    "load",
    "plainness",
    "read_clip",
    "read_metadata",
    "read_picture",
    "save",
]

_HOMES = {
    "OPAQUE": "formats",
    "STILL": "formats",
    "check_encoding": "formats",
    "check_output": "formats",
    "embed": "embedding",
    "format_of": "formats",
    "is_clip": "read",
    "load": "embedding",
    "plainness": "matting",
    "read_clip": "read",
    "read_metadata": "provenance",
    "read_picture": "read",
    "save": "write",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
