"""Owns the settings that a new run of a model begins with, where they differ from the general ones. Pure data."""

from __future__ import annotations

from typing import Any

from praxino.families import Variant

STARTS: dict[str, dict[str, Any]] = {
    "pocket": {"steps": 400, "batch": 16, "rank": 32, "alpha": 32, "learning_rate": 1e-3, "caption_dropout": 0.0,
               "image_share": 0.25, "prior": 128, "sample_every": 100},
}  # fmt: skip
"""By variant, or else by family."""
GENERAL: dict[str, Any] = {"steps": 1000, "learning_rate": 1e-4, "rank": 16, "alpha": 16}


def start_for(variant: Variant) -> dict[str, Any]:
    """The settings to write into a new file."""
    return dict(STARTS.get(variant.name, GENERAL))
