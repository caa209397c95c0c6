"""The folder of HunyuanVideo-I2V as Tencent publish it."""

from __future__ import annotations

from pathlib import Path

from praxino.families._hunyuan import original
from praxino.families._original import Original


def find(folder: Path) -> Original | None:
    """See `praxino.families._original`."""
    return original.find(folder, "i2v")
