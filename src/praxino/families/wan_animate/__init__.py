"""Wan 2.2 Animate by Alibaba's Wan team. Importing this costs no torch."""

from __future__ import annotations

from praxino.families import Family
from praxino.families.wan_animate.family import WanAnimate

FAMILY: Family = WanAnimate()
