"""Owns the settings that a new run of a model begins with, where they differ from the general ones, and its samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.errors import UserError
from praxino.families import Variant
from praxino.training.tuning import trainees
from praxino.training.tuning.clips import find
from praxino.training.tuning.examples import captioned
from praxino.weights.catalog import Entry

HUNYUAN_VIDEO = {
    "steps": 2000,
    "rank": 64,
    "alpha": 64,
    "learning_rate": 1e-4,
    "warmup": 500,
    "checkpointing": True,
    "sample_every": 1000,
}
STARTS: dict[str, dict[str, Any]] = {
    "pocket": {"steps": 500, "batch": 16, "rank": 16, "alpha": 16, "learning_rate": 1e-3, "caption_dropout": 0.0,
               "image_share": 0.0, "prior": 128, "sample_every": 250},
    "hotshot-xl": {"method": "full", "steps": 1000, "batch": 4, "learning_rate": 1.25e-5, "weight_decay": 0.01,
                   "caption_dropout": 0.0},
    **dict.fromkeys(("hunyuan-video", "hunyuan-video-i2v", "hunyuan-video-i2v-33ch"), HUNYUAN_VIDEO),
}  # fmt: skip
"""By variant."""
GENERAL: dict[str, Any] = {"steps": 1000, "learning_rate": 1e-4, "rank": 16, "alpha": 16}


def start_for(variant: Variant) -> dict[str, Any]:
    """The settings to write into a new file."""
    return dict(STARTS.get(variant.name, GENERAL))


def samples_for(entry: Entry, data: Path, trigger: str) -> dict[str, Any]:
    """Prompts to draw as a run goes, captions of two of its clips; nothing where there are none to be read yet.

    Raises:
        UserError: the model cannot be fine-tuned.
    """
    family, variant = entry.family.name, entry.variant
    trainees.check(family)
    trainees.check_variant(family, variant)
    try:
        clips = find(data).clips
    except UserError:
        return {}
    if not clips or trainees.shown_beside(family, variant):
        return {}
    captions = (clips[0].caption, clips[len(clips) // 2].caption)
    return {"samples": tuple(dict.fromkeys(captioned(caption, trigger) for caption in captions))}
