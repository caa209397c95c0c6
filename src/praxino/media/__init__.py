"""Reads pictures and clips, writes GIFs, videos and stills, and keeps in each file how it was made.

Knows frames, (F, H, W, 3) uint8 RGB, and `recipe.Encoding`; knows no model, no prompt and no torch. What is named here
is imported when it is first asked for: numpy, Pillow and PyAV are slow to import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from praxino.media.audio import mixed, read_sound
    from praxino.media.embedding import embed, file_of, load, refer
    from praxino.media.formats import AUDIBLE, OPAQUE, STILL, check_encoding, check_output, format_of
    from praxino.media.matting import plainness
    from praxino.media.provenance import read_metadata
    from praxino.media.read import is_clip, pace_note, read_clip, read_picture
    from praxino.media.scale import resized
    from praxino.media.streamed import StreamedVideo
    from praxino.media.write import save

__all__ = [
    "AUDIBLE",
    "OPAQUE",
    "STILL",
    "StreamedVideo",
    "check_encoding",
    "check_output",
    "embed",
    "file_of",
    "format_of",
    "is_clip",
    "load",
    "mixed",
    "pace_note",
    "plainness",
    "read_clip",
    "read_metadata",
    "read_picture",
    "read_sound",
    "refer",
    "resized",
    "save",
]

_HOMES = {
    "AUDIBLE": "formats",
    "OPAQUE": "formats",
    "STILL": "formats",
    "StreamedVideo": "streamed",
    "check_encoding": "formats",
    "check_output": "formats",
    "embed": "embedding",
    "file_of": "embedding",
    "format_of": "formats",
    "is_clip": "read",
    "load": "embedding",
    "mixed": "audio",
    "pace_note": "read",
    "plainness": "matting",
    "read_clip": "read",
    "read_metadata": "provenance",
    "read_picture": "read",
    "read_sound": "audio",
    "refer": "embedding",
    "resized": "scale",
    "save": "write",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
