"""From a wish to the numbers of a run. What Wan Animate shares with Wan is planned there. No torch, no weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from praxino.errors import UserError
from praxino.families import Sampling, Shape, Variant
from praxino.families._stock import annotate
from praxino.families.wan import maps
from praxino.families.wan import plan as wan
from praxino.request import Request

FILMED = "pose"
POSES = (FILMED, f"{FILMED}-map")
FACE_MAP = "face-map"


def plan(request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
    """See `Family.plan`."""
    for problem in _problems(request, variant, task):
        raise UserError(problem)
    plain = dataclasses.replace(request, control=(), video=None, mask=None)
    sampling = wan.plan(plain, variant, shape, "image-to-video")
    if FILMED not in _kinds(request):
        return sampling
    annotate.check(FILMED)
    return dataclasses.replace(sampling, companions=(*sampling.companions, *maps.companions(FILMED)))


def _kinds(request: Request) -> list[str]:
    """What each --control is of, as in "pose" for a clip of people and "pose-map" for one of poses."""
    return [text.partition("=")[0] for text in request.control]


def _problems(request: Request, variant: Variant, task: str) -> Iterator[str]:
    kinds = _kinds(request)
    sources = [kind for kind in kinds if kind in POSES] + [request.motion_template] * bool(request.motion_template)
    if not sources:
        yield (
            f"{variant.name} moves a character as poses say: add --motion-template FILE, a clip of them, or the name "
            f"of a motion; of a clip of somebody, --control {FILMED}=FILE."
        )
    if len(sources) > 1:
        yield f"{variant.name} follows one clip of poses: give --motion-template, or --control {FILMED}, once."
    if request.video and not (request.mask and request.reference):
        yield (
            f"{variant.name} puts a character in somebody's place: add --mask FILE, white over whom, and "
            "--reference FILE, the character."
        )
    if task == "text-to-video" and not request.reference:
        yield f"{variant.name} draws a character: add --reference FILE, or --first FILE."
    if len(request.reference) > 1 or (request.reference and (request.first or request.image)):
        yield f"{variant.name} draws one character: give --reference once, and no --first or --image with it."
    faces = [kind for kind in kinds if kind not in POSES]
    if any(kind != FACE_MAP for kind in faces) or len(faces) > 1:
        yield f"{variant.name} follows one clip of a face, cut out: --control {FACE_MAP}=FILE"
