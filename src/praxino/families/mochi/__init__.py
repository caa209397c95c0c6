"""Mochi 1 by Genmo. Importing this costs no torch."""

from __future__ import annotations

from praxino.families import Family
from praxino.families.mochi.family import Mochi

FAMILY: Family = Mochi()
