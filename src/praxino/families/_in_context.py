"""Clips that a run follows with an in-context LoRA: edges, depth, poses, or a clip whose detail is to be drawn.

Source: Lightricks/LTX-Video-Trainer, src/ltxv_trainer/ltxv_pipeline.py. Importing this costs no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from praxino.errors import UserError
from praxino.families._stock import annotate
from praxino.recipe import Companion, Condition
from praxino.request import Request

if TYPE_CHECKING:
    import numpy as np

    from praxino.families.ltx_video.load import Parts

STEERING = ("control:canny", "control:depth", "control:pose", "control:detailer")
"""What the authors' in-context LoRAs follow."""
ANNOTATOR = "annotator:"
DEPTH_ANYTHING = "LiheYoung/depth-anything-large-hf"
READY = "-map"


def check(request: Request) -> None:
    """Whether what is to be followed can be.

    Raises:
        UserError: there is no LoRA for it, it cannot be made from a photo, or it is to count more than wholly.
    """
    for text in request.control:
        kind, _, rest = text.partition("=")
        if not request.lora:
            raise UserError(
                f"--control {kind}: LTX-Video follows it with an in-context LoRA made for it; name that with --lora, "
                "as in Lightricks/LTX-Video-ICLoRA-depth-13b-0.9.7."
            )
        if not kind.endswith(READY):
            annotate.check(kind)
        scale = rest.rpartition(":")[2]
        if _is_number(scale) and float(scale) > 1:
            raise UserError(f"--control {text[:200]}: the strength is {scale}; LTX-Video takes 0 to 1.")


def companions(request: Request) -> Iterator[Companion]:
    """What makes the maps that are not given ready."""
    if any(text.startswith("depth=") for text in request.control):
        yield Companion(f"{ANNOTATOR}depth", DEPTH_ANYTHING)


def is_followed(condition: Condition) -> bool:
    """Whether a condition is a clip to follow, not one to show."""
    return condition.role.startswith(("control:", "annotate:"))


def maps(frames: np.ndarray, role: str, annotator: Any) -> np.ndarray:
    """The frames (F, H, W, 3) uint8 as the maps that a condition's role asks for, of the same shape."""
    import numpy as np

    use, _, kind = role.partition(":")
    if use == "control":
        return frames
    if kind == "canny":
        return np.stack([annotate.canny(frame) for frame in frames])
    return np.stack([annotate.depth(frame, annotator) for frame in frames])


def lay_annotator(parts: Parts, path: str) -> None:
    """Load what makes depth maps, unless it is there. Raises ModelError when its files are damaged."""
    from pathlib import Path

    from praxino.families._stock.load import damaged, quiet

    if parts.annotator_path != path:
        with quiet(), damaged(Path(path)):
            parts.annotator = annotate.load_depth(path, parts.device)
        parts.annotator_path = path


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
