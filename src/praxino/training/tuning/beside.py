"""Owns what lies beside a clip: the reference that the model is shown, and the mask of what is learnt, or drawn, of it.

A reference is as long as its clip and has its aspect, as in Lightricks/LTX-Video-Trainer, docs/dataset-preparation.md;
edges are made of the clip itself. A mask is a picture; a model that draws what masks cover gets some of chance where
there is none. Whether they fit is asked before torch is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from praxino.errors import UserError
from praxino.families import Variant
from praxino.training.tuning import trainees
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
EDGES, MADE = "canny", "made"
"""What stands for a digest where a reference is made of its clip, and a mask of chance."""
NUM_MASKS = 4
"""Masks for each picture of what is drawn anew, of which a step takes one."""
LEAST_SIDE, MOST_SIDE = 0.25, 0.75
"""Sides of a mask of chance, in sides of the picture."""


@runtime_checkable
class Shows(Protocol):
    """A trainee whose network is shown more than words and a first frame."""

    def shown(self, parts: Any, frames: np.ndarray, beside: Mapping[str, np.ndarray]) -> Tensors:
        """What lies beside the frames (F, H, W, 3) uint8, of their size, as the networks take it."""
        ...


@dataclass(frozen=True)
class Wanted:
    """What of that which lies beside clips is used."""

    reference: str
    """What asks for it, in words; "" where nothing does."""
    is_edges: bool
    is_mask_drawn: bool
    """Whether a mask says what is drawn anew, not what is learnt."""

    @classmethod
    def of(cls, family: str, variant: Variant, tuning: Tuning) -> Wanted:
        """What a model and a run's settings ask for."""
        shown = trainees.shown_beside(family, variant)
        asks = f"control = {tuning.control!r}" if tuning.control else variant.name if shown == "reference" else ""
        return cls(asks, tuning.control == EDGES, shown == "mask")


def check(clip: Clip, shape: tuple[int, ...], wanted: Wanted) -> None:
    """Whether what lies beside a clip of `shape` (frames, height, width) fits it.

    Raises:
        UserError: it does not, or is missing; the message says it in a few words.
    """
    if wanted.reference and not wanted.is_edges:
        if "reference" not in clip.beside:
            raise UserError(f"has no reference, which {wanted.reference} asks for")
        count, height, width = read(clip.beside["reference"])[0].shape[:3]
        if count != shape[0]:
            raise UserError(f"its reference has {count} frames, and it has {shape[0]}")
        if abs(width / height / (shape[2] / shape[1]) - 1) > ASPECT_TOLERANCE:
            raise UserError(f"its reference is {width}x{height}, of another aspect than {shape[2]}x{shape[1]}")
    if "mask" in clip.beside and not read(clip.beside["mask"])[0][0].any():
        raise UserError("its mask is all black: nothing of it would be learnt")


def digests(clip: Clip, wanted: Wanted) -> dict[str, str]:
    """What of an example depends on more than the clip's own file, for the cache."""
    found = {}
    if wanted.is_mask_drawn:
        found["drawn"] = digest_of(clip.beside["mask"]) if "mask" in clip.beside else MADE
    elif "mask" in clip.beside:
        found["mask"] = digest_of(clip.beside["mask"])
    if wanted.reference:
        found["reference"] = EDGES if wanted.is_edges else digest_of(clip.beside["reference"])
    return found


def line(clip: Clip, wanted: Wanted) -> str:
    """What a report says of it."""
    said = ", with its mask" if "mask" in clip.beside else ", with a mask of chance" if wanted.is_mask_drawn else ""
    if wanted.reference:
        return said + (", after its edges" if wanted.is_edges else ", after its reference")
    return said + (", its reference not looked at" if "reference" in clip.beside else "")


def encoded(learner: Trainee, parts: Any, example: Example) -> Tensors:
    """An example as the networks take it: what `Trainee.encode` and `Shows.shown` give, and "mask" (h, w), learnt."""
    clip, chosen, bucket = example.clip, list(example.piece.frames), example.piece.bucket
    frames = clip.read()[0][chosen]
    beside = {}
    if reference := example.beside.get("reference"):
        given = _edges(frames) if reference == EDGES else read(clip.beside["reference"])[0][chosen]
        beside["reference"] = fitted(given, bucket)
    if "mask" in clip.beside and not {"mask", "drawn"}.isdisjoint(example.beside):
        beside["mask"] = fitted(read(clip.beside["mask"])[0][:1], bucket)
    elif "drawn" in example.beside:
        beside["mask"] = fitted(_of_chance(example.digest, frames), bucket)
    frames = fitted(frames, bucket)
    tensors = learner.encode(parts, frames)
    if isinstance(learner, Shows):
        tensors |= learner.shown(parts, frames, beside)
    if "mask" in example.beside:
        tensors["mask"] = _shrunk(beside["mask"][0], (tensors["latents"].shape[-2], tensors["latents"].shape[-1]))
    return tensors


def _edges(frames: np.ndarray) -> np.ndarray:
    from praxino.families._stock import annotate

    return np.stack([annotate.canny(frame) for frame in frames])


def _of_chance(digest: str, frames: np.ndarray) -> np.ndarray:
    """White rectangles and ellipses, (NUM_MASKS, H, W, 3) uint8, that the clip's digest decides.

    Shapes as in huggingface/diffusers, examples/research_projects/dreambooth_inpaint (random_mask).
    """
    rng = np.random.default_rng(int(digest[:16], 16))
    return np.concatenate([_shape(rng, frames) for _ in range(NUM_MASKS)])


def _shape(rng: np.random.Generator, frames: np.ndarray) -> np.ndarray:
    from PIL import Image, ImageDraw

    sides = np.array([frames.shape[2], frames.shape[1]])
    size = sides * rng.uniform(LEAST_SIDE, MOST_SIDE, 2)
    corner = (sides - size) * rng.uniform(0, 1, 2)
    mask = Image.new("RGB", (int(sides[0]), int(sides[1])))
    draw, box = ImageDraw.Draw(mask), [*corner, *(corner + size)]
    (draw.rectangle if rng.random() < 0.5 else draw.ellipse)(box, fill=(255, 255, 255))
    return np.asarray(mask)[None]


def _shrunk(mask: np.ndarray, size: tuple[int, int]) -> Tensor:
    """A mask (H, W, 3) uint8 as the share of white in each cell of (h, w)."""
    import torch
    import torch.nn.functional as F

    grey = torch.from_numpy(mask.copy()).float().mean(-1) / 255
    return F.adaptive_avg_pool2d(grey[None], size)[0]
