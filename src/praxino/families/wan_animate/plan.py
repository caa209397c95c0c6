"""From a wish to the numbers of a run. What Wan Animate shares with Wan is planned there. No torch, no weights."""

from __future__ import annotations

import dataclasses

from praxino.errors import UserError
from praxino.families import Sampling, Shape, Variant
from praxino.families.wan import plan as wan
from praxino.families.wan_animate.variants import FACE
from praxino.request import Request

REPLACES = "video-to-video"
"""The task that puts a character in somebody's place."""


def plan(request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
    """See `Family.plan`."""
    _check(request, variant, task)
    plain = dataclasses.replace(request, control=(), video=None, mask=None)
    return wan.plan(plain, variant, shape, "image-to-video")


def _check(request: Request, variant: Variant, task: str) -> None:
    if not request.motion_template:
        raise UserError(
            f"{variant.name} moves a character as poses say: add --motion-template FILE, a clip of them, or the name "
            "of a motion."
        )
    if task == REPLACES and not (request.mask and request.reference):
        raise UserError(
            f"{variant.name} puts a character in somebody's place: add --mask FILE, white over whom, and "
            "--reference FILE, the character."
        )
    if task != REPLACES and request.reference:
        raise UserError("--reference is for a clip's new character: add --video FILE, or give it as --first FILE.")
    if len(request.reference) > 1:
        raise UserError(f"{variant.name} draws one character, got {len(request.reference)}: give --reference once.")
    kind = FACE.partition(":")[2]
    if any(text.partition("=")[0] != f"{kind}-map" for text in request.control) or len(request.control) > 1:
        raise UserError(f"{variant.name} follows one clip of a face, cut out: --control {kind}-map=FILE")
