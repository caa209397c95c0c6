"""Poses drawn as OpenPose draws them, which is how ControlNets have learnt them. No torch, no networks.

Colours, limbs and sizes: lllyasviel/ControlNet-v1-1-nightly, annotator/openpose/util.py, draw_bodypose.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from praxino.motions.render import COLOURS, LIMBS

LEAST_SCORE = 0.3
"""A joint that is less sure is left out (usyd-community/vitpose-base-simple's model card)."""
JOINT_PX, LIMB_PX = 4, 4
"""Radius of a joint; half of a limb's width."""
LIMB_SHARE = 0.6
"""How bright a limb is beside its joints."""
FROM_COCO = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""OpenPose's 18 joints among COCO's 17; the neck lies between the shoulders."""
NECK, SHOULDERS = 1, (5, 6)


def draw(people: list[np.ndarray], width: int, height: int) -> np.ndarray:
    """Skeletons on black, (height, width, 3) uint8.

    Args:
        people: for each, COCO's joints (17, 3): x and y in pixels, and a score in [0, 1].
        width: of the map, in pixels.
        height: of the map, in pixels.
    """
    canvas = Image.new("RGB", (width, height))
    pen = ImageDraw.Draw(canvas)
    skeletons = [_joints(person) for person in people]
    for joints in skeletons:
        for colour, (start, end) in zip(COLOURS, LIMBS, strict=False):
            one, other = joints[start], joints[end]
            if one is not None and other is not None:
                pen.polygon(_limb(one, other), fill=tuple(int(value * LIMB_SHARE) for value in colour))
    for joints in skeletons:
        for colour, joint in zip(COLOURS, joints, strict=True):
            if joint is not None:
                x, y = int(joint[0]), int(joint[1])
                pen.ellipse((x - JOINT_PX, y - JOINT_PX, x + JOINT_PX, y + JOINT_PX), fill=colour)
    return np.array(canvas)


def _joints(person: np.ndarray) -> list[tuple[float, float] | None]:
    """OpenPose's joints of a person; None for what is not seen."""
    sure = [(float(x), float(y)) if score >= LEAST_SCORE else None for x, y, score in person]
    found = [None if place is None else sure[place] for place in FROM_COCO]
    left, right = (sure[place] for place in SHOULDERS)
    if left is not None and right is not None:
        found[NECK] = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2)
    return found


def _limb(one: tuple[float, float], other: tuple[float, float]) -> list[tuple[float, float]]:
    """An ellipse from joint to joint, as a polygon of a corner each degree."""
    across, down = other[0] - one[0], other[1] - one[1]
    long, turned = math.hypot(across, down) / 2, math.atan2(down, across)
    middle = (one[0] + other[0]) / 2, (one[1] + other[1]) / 2
    degrees = np.radians(np.arange(360))
    along, aside = long * np.cos(degrees), LIMB_PX * np.sin(degrees)
    x = middle[0] + along * math.cos(turned) - aside * math.sin(turned)
    y = middle[1] + along * math.sin(turned) + aside * math.cos(turned)
    return [(float(px), float(py)) for px, py in zip(x, y, strict=True)]
