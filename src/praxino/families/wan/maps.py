"""Maps that VACE follows, made of a clip frame by frame: grey, depth and poses. Importable without torch.

Source of what they look like: ali-vilab/VACE, vace/annotators/gray.py, depth.py and dwpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from praxino.families._stock import annotate, skeleton
from praxino.recipe import Companion

MADE: dict[str, tuple[str, ...]] = {"gray": (), **{kind: annotate.NEEDED[kind] for kind in ("depth", "pose")}}
"""The kinds that are made here, and the models that each takes, as in "annotator:depth"."""
ROLE = "annotator:"
LUMA = np.array([0.299, 0.587, 0.114])
"""What red, green and blue count for in grey."""


def companions(kind: str) -> tuple[Companion, ...]:
    """The models that maps of a kind are made with."""
    return tuple(Companion(ROLE + name, annotate.MODELS[ROLE + name]) for name in MADE[kind])


def make(kind: str, frames: np.ndarray, models: Mapping[str, tuple[Any, Any]]) -> np.ndarray:
    """The maps of a clip (F, H, W, 3) uint8, of the same shape. Nobody in a frame is a black map of poses.

    Args:
        kind: one of MADE.
        frames: the clip.
        models: what `annotate.load` gave, by name; those that the kind needs.
    """
    if kind == "gray":
        return np.repeat((frames @ LUMA).round().astype(np.uint8)[..., None], 3, axis=3)
    if kind == "depth":
        return np.stack([annotate.depth(frame, models["depth"]) for frame in frames])
    return np.stack([_poses(frame, models) for frame in frames])


def _poses(frame: np.ndarray, models: Mapping[str, tuple[Any, Any]]) -> np.ndarray:
    boxes = annotate.people(frame, models["person"])
    if not len(boxes):
        return np.zeros_like(frame)
    return skeleton.draw(annotate.joints(frame, boxes, models["pose"]), frame.shape[1], frame.shape[0])
