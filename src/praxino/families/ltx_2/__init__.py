"""LTX-2 by Lightricks: video with sound. Importing this costs no torch."""

from __future__ import annotations

from praxino.families import Family
from praxino.families.ltx_2.family import Ltx2

FAMILY: Family = Ltx2()
