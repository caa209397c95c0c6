"""LTX-Video by Lightricks. Importing this costs no torch."""

from __future__ import annotations

from praxino.families import Family
from praxino.families.ltx_video.family import LtxVideo

FAMILY: Family = LtxVideo()
