"""The clip whose movement is followed: a motion drawn at the size and pace of what is drawn, or a file's frames.

A variant that follows maps of poses, and knows nothing else of motions, is given them as such: --motion-template walk
is then as --control pose-map=FILE with the walk's frames in it. Knows no family and no weights.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from praxino import media
from praxino.engine.conditions import Source
from praxino.engine.timing import places_in
from praxino.errors import UserError
from praxino.families import Shape, Variant
from praxino.motions import find, names
from praxino.recipe import Pieces
from praxino.request import Request


def with_pose_control(request: Request, variant: Variant) -> Request:
    """What is planned for: the motion is one more map to follow, where the variant takes it so.

    Raises:
        UserError: ControlNets are named for the other maps, and none can be for this one.
    """
    if request.motion_template is None or _has_own(variant):
        return request
    if request.controlnet:
        raise UserError(
            f"--motion-template is followed by {variant.name}'s own ControlNet for poses; leave --controlnet out, or "
            "give the poses as --control pose-map=FILE."
        )
    return dataclasses.replace(request, control=(*request.control, f"pose-map={request.motion_template}"))


def _has_own(variant: Variant) -> bool:
    return "motion-template" in variant.steering


def _is_bare(name: str) -> bool:
    """Whether it can be nothing but the name of a motion: no file is called so, and there is no dot, colon or slash."""
    return re.fullmatch(r"[\w-]+", name) is not None and not Path(name).exists()


def read_driving(request: Request, variant: Variant, shape: Shape, drawn: Pieces) -> list[Source]:
    """The motion of `--motion-template`, one frame for each that is drawn; empty without one.

    A clip is taken as it is: its frames have to be poses already. Where it ends early its last frame is held.

    Raises:
        UserError: there is no such motion, or its file cannot be read.
    """
    name = request.motion_template
    if name is None:
        return []
    if name in names() or Path(name).suffix.lower() == ".json" or _is_bare(name):
        from praxino.motions.render import render

        frames, places = render(find(name), drawn.span, shape.fps, shape.width, shape.height), ()
    else:
        frames, fps = media.read_clip(name)
        places = places_in(len(frames), fps, shape.fps, drawn.span)
        frames = frames[list(places)]
    if _has_own(variant):
        return [Source(name, frames, 0, 1.0, "motion", places=places)]
    scale = float(variant.options.get("control_scale", 1.0))
    return [Source(name, frames, 0, scale, "control:pose", places=places)]
