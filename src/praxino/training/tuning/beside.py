"""Owns what lies beside a clip: the reference that the model is shown, and the mask of what is learnt of it.

A reference is as long as its clip and has its aspect, as in Lightricks/LTX-Video-Trainer, docs/dataset-preparation.md;
edges are made of the clip itself. A mask is a picture. Whether they fit is asked before torch is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from praxino.errors import UserError
from praxino.training.tuning.buckets import fitted
from praxino.training.tuning.clips import Clip, digest_of, read
from praxino.training.tuning.settings import Tuning

if TYPE_CHECKING:
    from torch import Tensor

    from praxino.training.tuning.cache import Tensors
    from praxino.training.tuning.examples import Example
    from praxino.training.tuning.trainee import Trainee

ASPECT_TOLERANCE = 0.02
"""By how much the sides' ratio of a reference may differ from its clip's."""
EDGES = "canny"
"""The one control that is made of the clip."""


def check(clip: Clip, shape: tuple[int, ...], tuning: Tuning) -> None:
    """Whether what lies beside a clip of `shape` (frames, height, width) fits it.

    Raises:
        UserError: it does not, or is missing; the message says it in a few words.
    """
    if tuning.control and tuning.control != EDGES:
        if "reference" not in clip.beside:
            raise UserError(f"has no reference to follow; control is {tuning.control!r}")
        count, height, width = read(clip.beside["reference"])[0].shape[:3]
        if count != shape[0]:
            raise UserError(f"its reference has {count} frames, and it has {shape[0]}")
        if abs(width / height / (shape[2] / shape[1]) - 1) > ASPECT_TOLERANCE:
            raise UserError(f"its reference is {width}x{height}, of another aspect than {shape[2]}x{shape[1]}")
    if "mask" in clip.beside and not read(clip.beside["mask"])[0][0].any():
        raise UserError("its mask is all black: nothing of it would be learnt")


def digests(clip: Clip, tuning: Tuning) -> dict[str, str]:
    """What of an example depends on more than the clip's own file, for the cache."""
    found = {"mask": digest_of(clip.beside["mask"])} if "mask" in clip.beside else {}
    if tuning.control == EDGES:
        return {**found, "reference": EDGES}
    return {**found, "reference": digest_of(clip.beside["reference"])} if tuning.control else found


def line(clip: Clip, tuning: Tuning) -> str:
    """What a report says of it."""
    found = {"mask": ", with its mask"} if "mask" in clip.beside else {}
    if tuning.control == EDGES:
        found["reference"] = ", after its edges"
    elif "reference" in clip.beside:
        found["reference"] = ", after its reference" if tuning.control else ", its reference not looked at"
    return "".join(found.values())


def encoded(learner: Trainee, parts: Any, example: Example) -> Tensors:
    """An example as the networks take it: what `Trainee.encode` gives, "reference" of its shape, "mask" (h, w)."""
    clip, chosen, bucket = example.clip, list(example.piece.frames), example.piece.bucket
    frames = clip.read()[0][chosen]
    tensors = learner.encode(parts, fitted(frames, bucket))
    if reference := example.beside.get("reference"):
        shown = _edges(frames) if reference == EDGES else read(clip.beside["reference"])[0][chosen]
        tensors["reference"] = learner.encode(parts, fitted(shown, bucket))["latents"]
    if "mask" in example.beside:
        mask = fitted(read(clip.beside["mask"])[0][:1], bucket)[0]
        tensors["mask"] = _shrunk(mask, (tensors["latents"].shape[-2], tensors["latents"].shape[-1]))
    return tensors


def _edges(frames: np.ndarray) -> np.ndarray:
    from praxino.families._stock import annotate

    return np.stack([annotate.canny(frame) for frame in frames])


def _shrunk(mask: np.ndarray, size: tuple[int, int]) -> Tensor:
    """A mask (H, W, 3) uint8 as the share of white in each cell of (h, w)."""
    import torch
    import torch.nn.functional as F

    grey = torch.from_numpy(mask.copy()).float().mean(-1) / 255
    return F.adaptive_avg_pool2d(grey[None], size)[0]
