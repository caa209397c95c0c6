"""The clip whose movement is followed: a motion drawn at the size and pace of what is drawn, or a file's frames.

Knows no family and no weights.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from praxino import media
from praxino.engine.conditions import Source
from praxino.families import Shape
from praxino.motions import find, names
from praxino.recipe import Pieces
from praxino.request import Request


def read_driving(request: Request, shape: Shape, drawn: Pieces) -> list[Source]:
    """The motion of `--motion-template`, one frame for each that is drawn; empty without one.

    A clip is taken as it is: its frames have to be poses already. Where it ends early its last frame is held.

    Raises:
        UserError: there is no such motion, or its file cannot be read.
    """
    name = request.motion_template
    if name is None:
        return []
    if name in names() or Path(name).suffix.lower() == ".json":
        from praxino.motions.render import render

        frames = render(find(name), drawn.span, shape.fps, shape.width, shape.height)
    else:
        frames, fps = media.read_clip(name)
        times = np.arange(drawn.span) * fps / shape.fps
        frames = frames[np.minimum((times + _ON_TIME).astype(int), len(frames) - 1)]
    return [Source(name, frames, 0, 1.0, "motion")]


_ON_TIME = 1e-6
"""Of a frame: what rounding may take from a time that is a whole number of frames."""
