"""Data: what an edition of the bundled model knows, and the shape of its clips.

Owns no rule and draws nothing. The first edition ships; the second is what is trained next.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from praxino.errors import UserError
from praxino.training import motions, sprites
from praxino.training.grounds import COLOURS, GRADIENTS, SCENES

THINGS_FILE = Path(__file__).with_name("data") / "things.json"
"""Names and keywords from Unicode CLDR, see data/UNICODE-LICENSE; `things_source` makes it."""


@dataclass(frozen=True)
class Edition:
    """What a caption can ask for, and how a clip is shown."""

    number: int
    things: dict[str, str]
    """Each thing by name, and the character that draws it."""
    motions: tuple[str, ...]
    grounds: tuple[str, ...]
    counts: tuple[int, ...]
    """How many of a thing there can be."""
    sizes: dict[str, tuple[float, float]]
    """Least and greatest size of a single thing, in widths of the picture; "" is the size nobody asks for."""
    has_pairs: bool
    """Whether two things can stand side by side."""
    frame_sizes: tuple[tuple[int, int], ...]
    """Width and height in pixels, the usual one first."""
    num_frames: int
    fps: int


@functools.cache
def described_things() -> tuple[dict[str, Any], ...]:
    """The second edition's things: name, character, group, and words by language, the name in it first."""
    return tuple(json.loads(THINGS_FILE.read_text(encoding="utf-8")))


FIRST = Edition(
    number=1,
    things=sprites.THINGS,
    motions=tuple(motions.MOTIONS),
    grounds=tuple(motions.GROUNDS),
    counts=(1,),
    sizes={"": (0.52, 0.60)},
    has_pairs=False,
    frame_sizes=((64, 64),),
    num_frames=9,
    fps=10,
)


@functools.cache
def second() -> Edition:
    """The second edition."""
    return Edition(
        number=2,
        things={thing["name"]: thing["character"] for thing in described_things()},
        motions=tuple(motions.PATHS),
        grounds=(*COLOURS, *GRADIENTS, *SCENES),
        counts=(1, 2, 3),
        sizes={"": (0.48, 0.58), "small": (0.28, 0.34), "big": (0.64, 0.70)},
        has_pairs=True,
        frame_sizes=((128, 128), (160, 96), (96, 160), (192, 128), (128, 192), (192, 192), (96, 96)),
        num_frames=17,
        fps=12,
    )


def find(number: int) -> Edition:
    """The edition of that number; UserError where there is none."""
    if number not in (1, 2):
        raise UserError(f"there is no edition {number} of the bundled model; there are 1 and 2")
    return FIRST if number == 1 else second()
