"""CogVideoX by Zhipu AI and Tsinghua University. Importing this costs no torch."""

from __future__ import annotations

from praxino.families import Family
from praxino.families.cogvideox.family import CogVideoX

FAMILY: Family = CogVideoX()
