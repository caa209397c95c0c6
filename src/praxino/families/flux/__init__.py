"""FLUX.1 by Black Forest Labs. Importing this costs no torch."""

from __future__ import annotations

from praxino.families import Family
from praxino.families.flux.family import Flux

FAMILY: Family = Flux()
