"""SparseCtrl: a ControlNet that is given some frames of a clip, as pictures or as scribbles, and draws through them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from praxino.families._stock import Given, control
from praxino.families._stock.pictures import fitted, resampled
from praxino.families.animatediff.variants import FRAMES
from praxino.recipe import Recipe

if TYPE_CHECKING:
    from praxino.families._stock.load import Parts

SCRIBBLE = "controlnet:scribble"


def network(parts: Parts, recipe: Recipe) -> Any:
    """The SparseCtrl of a recipe, else the checkpoint's own for given frames; None where there is none."""
    roles = {companion.role for companion in recipe.companions}
    found = next((parts.kept[role][1] for role in (FRAMES, SCRIBBLE) if role in roles), None)
    if found is None and recipe.task == "image-to-video":
        return parts.base.components["controlnet"]
    return found if type(found).__name__ == control.SPARSE else None


def arguments(given: Given) -> dict[str, Any]:
    """The frames that are given, where in the clip they are, and how firmly they hold."""
    size = given.recipe.width, given.recipe.height
    chosen = [
        (condition, frames)
        for condition, frames in zip(given.recipe.conditions, given.pictures, strict=True)
        if condition.role in ("frame", "control:scribble", "annotate:scribble")
    ]
    if chosen[0][0].role == "frame":
        places = [condition.frame for condition, _ in chosen]
        shown = [fitted(frames, *size) for _, frames in chosen]
    else:
        condition, frames = chosen[0]
        places = _spread(len(frames), given.recipe.num_frames)
        shown = [control.map_of(given, condition.role, frame[None]) for frame in resampled(frames, len(places))]
    return {
        "conditioning_frames": shown,
        "controlnet_frame_indices": places,
        "controlnet_conditioning_scale": min(condition.strength for condition, _ in chosen),
    }


def _spread(count: int, num_frames: int) -> list[int]:
    """Where so many scribbles belong: one is the first frame, several are spread from the first to the last."""
    places = np.linspace(0, num_frames - 1, min(count, num_frames))
    return np.floor(places + 0.5).astype(int).tolist()
