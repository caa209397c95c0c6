"""From a wish to the numbers of a run. What Wan Animate shares with Wan is planned there. No torch, no weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from praxino.errors import UserError
from praxino.families import Sampling, Shape, Variant
from praxino.families.wan import plan as wan
from praxino.families.wan_animate.variants import FACE
from praxino.request import Request


def plan(request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
    """See `Family.plan`."""
    for problem in _problems(request, variant, task):
        raise UserError(problem)
    plain = dataclasses.replace(request, control=(), video=None, mask=None)
    return wan.plan(plain, variant, shape, "image-to-video")


def _problems(request: Request, variant: Variant, task: str) -> Iterator[str]:
    if not request.motion_template:
        yield (
            f"{variant.name} moves a character as poses say: add --motion-template FILE, a clip of them, or the name "
            "of a motion."
        )
    if request.video and not (request.mask and request.reference):
        yield (
            f"{variant.name} puts a character in somebody's place: add --mask FILE, white over whom, and "
            "--reference FILE, the character."
        )
    if task == "text-to-video" and not request.reference:
        yield f"{variant.name} draws a character: add --reference FILE, or --first FILE."
    if len(request.reference) > 1 or (request.reference and (request.first or request.image)):
        yield f"{variant.name} draws one character: give --reference once, and no --first or --image with it."
    kind = FACE.partition(":")[2]
    if any(text.partition("=")[0] != f"{kind}-map" for text in request.control) or len(request.control) > 1:
        yield f"{variant.name} follows one clip of a face, cut out: --control {kind}-map=FILE"
