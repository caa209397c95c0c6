"""Draws motions as OpenPose draws poses: coloured limbs and joints on black, as pose ControlNets are trained on.

Colours, limbs and widths are those of CMU-Perceptual-Computing-Lab/openpose as huggingface/controlnet_aux draws them
(src/controlnet_aux/open_pose/util.py, draw_bodypose): limbs at 0.6 of their colour, 4 px to each side of the bone and
joints of radius 4 px in a picture of 512 px.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from praxino.motions.motion import Figure, Motion

LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0),
    (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""Pairs of joints; the n-th is of the n-th colour."""
COLOURS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255),
    (255, 0, 170), (255, 0, 85),
)  # fmt: skip
"""Of the n-th joint, and of the n-th limb."""
_LIMB_SHADE = 0.6
_WIDTH_SHARE = 4 / 512
"""Half a limb's width, and a joint's radius, in shorter sides of the picture."""
_FILLED = 0.84
"""The share of the picture that the whole movement takes, in the direction in which it is the larger."""
_FINER = 4
"""Drawn so many times larger, then scaled down: limbs move by less than a pixel a frame."""
_OUTLINE = 24


def render(motion: Motion, num_frames: int, fps: float, width: int, height: int) -> np.ndarray:
    """Frames of a motion, in the middle of the picture and as large as fits, (num_frames, height, width, 3) uint8 RGB.

    The motion keeps its own pace whatever `fps` is; it begins anew, or holds its last frame, where it is shorter.
    """
    scale, left, low = _placed(motion, width, height)
    half = max(1.0, min(width, height) * _WIDTH_SHARE)
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    for number in range(num_frames):
        figure = motion.at(number / fps)
        placed = tuple(
            None if joint is None else ((joint[0] - left) * scale, height - (joint[1] - low) * scale)
            for joint in figure
        )
        frames[number] = _drawn(placed, width, height, half)
    return frames


def _placed(motion: Motion, width: int, height: int) -> tuple[float, float, float]:
    """Pixels a unit, and the motion's x and y at the picture's left and lower edge."""
    seen = [joint for figure in motion.frames for joint in figure if joint is not None]
    (least_x, most_x), (least_y, most_y) = ((min(axis), max(axis)) for axis in zip(*seen, strict=True))
    scale = _FILLED * min(width / max(most_x - least_x, 1e-9), height / max(most_y - least_y, 1e-9))
    return scale, (least_x + most_x - width / scale) / 2, (least_y + most_y - height / scale) / 2


def _drawn(figure: Figure, width: int, height: int, half: float) -> np.ndarray:
    picture = Image.new("RGB", (width * _FINER, height * _FINER))
    pen = ImageDraw.Draw(picture)
    for (one, other), colour in zip(LIMBS, COLOURS, strict=False):
        start, end = figure[one], figure[other]
        if start is not None and end is not None:
            shade = tuple(int(value * _LIMB_SHADE) for value in colour)
            pen.polygon([(x * _FINER, y * _FINER) for x, y in _limb(start, end, half)], fill=shade)
    for joint, colour in zip(figure, COLOURS, strict=True):
        if joint is not None:
            pen.circle((joint[0] * _FINER, joint[1] * _FINER), half * _FINER, fill=colour)
    return np.asarray(picture.reduce(_FINER))


def _limb(start: tuple[float, float], end: tuple[float, float], half: float) -> list[tuple[float, float]]:
    """An ellipse from joint to joint."""
    across, down = (end[0] - start[0]) / 2, (end[1] - start[1]) / 2
    length = math.hypot(across, down) or 1e-9
    cosine, sine = across / length, down / length
    outline = []
    for step in range(_OUTLINE):
        along, aside = (
            length * math.cos(2 * math.pi * step / _OUTLINE), half * math.sin(2 * math.pi * step / _OUTLINE)
        )  # fmt: skip
        x, y = start[0] + across, start[1] + down
        outline.append((x + along * cosine - aside * sine, y + along * sine + aside * cosine))
    return outline
