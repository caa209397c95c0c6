"""Wan 2.1 and 2.2 by Alibaba's Wan team. Importing this costs no torch."""

from __future__ import annotations

from praxino.families import Family
from praxino.families.wan.family import Wan

FAMILY: Family = Wan()
