"""Owns how things move and what they move on: poses as functions of time, and grounds as colours.

Must not know captions, sprites' origin or torch. Every motion leads back to where it began, so that a clip loops:
one that leaves the picture on one side comes in again on the other.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (255, 255, 255),
    "black": (20, 20, 24),
    "blue": (58, 124, 240),
    "red": (178, 30, 52),
    "green": (56, 168, 92),
    "yellow": (253, 222, 84),
}
"""Colours chosen to keep every taught thing visible on every ground."""

TRAVEL = 1.32
"""How far a thing that crosses the picture goes in one loop, in widths of the picture."""


@dataclass(frozen=True)
class Pose:
    """Where a thing is: centre offset in widths of the picture, angle in radians (clockwise), scale along both axes."""

    x: float = 0.0
    y: float = 0.0
    angle: float = 0.0
    scale_x: float = 1.0
    scale_y: float = 1.0


def _wrapped(distance: float) -> float:
    return (distance + TRAVEL / 2) % TRAVEL - TRAVEL / 2


def _bounce(t: float) -> Pose:
    height = abs(math.sin(math.tau * t))
    squash = max(0.0, 1 - 4 * height)
    return Pose(y=0.17 - 0.36 * height, scale_x=1 + 0.10 * squash, scale_y=1 - 0.14 * squash)


def _spin(t: float) -> Pose:
    return Pose(angle=math.tau * t)


def _pulse(t: float) -> Pose:
    scale = 1 + 0.32 * math.sin(math.tau * t)
    return Pose(scale_x=scale, scale_y=scale)


def _shake(t: float) -> Pose:
    return Pose(x=0.12 * math.sin(2 * math.tau * t))


def _swing(t: float) -> Pose:
    angle = 0.6 * math.sin(math.tau * t)
    return Pose(x=0.25 * math.sin(angle), y=0.25 * (math.cos(angle) - 1), angle=-angle)


MOTIONS: dict[str, Callable[[float], Pose]] = {
    "flying up": lambda t: Pose(y=_wrapped(-TRAVEL * t)),
    "falling down": lambda t: Pose(y=_wrapped(TRAVEL * t)),
    "sliding left": lambda t: Pose(x=_wrapped(-TRAVEL * t)),
    "sliding right": lambda t: Pose(x=_wrapped(TRAVEL * t)),
    "bouncing": _bounce,
    "spinning": _spin,
    "pulsing": _pulse,
    "shaking": _shake,
    "swinging": _swing,
}
"""Pose at t in [0, 1]; t = 0 and t = 1 are the same pose."""


@dataclass(frozen=True)
class Placement:
    """What is particular to one clip: size of the thing in widths of the picture, and offset of its centre."""

    size: float = 0.56
    x: float = 0.0
    y: float = 0.0


def render_frame(
    sprite: NDArray[np.uint8], pose: Pose, ground: NDArray[np.float32], placement: Placement = Placement()
) -> NDArray[np.uint8]:
    """Draw `sprite` (s, s, 4) premultiplied over `ground` (S, S, 3) in 0..255; returns (S, S, 3) uint8."""
    size_px, sprite_px = ground.shape[0], sprite.shape[0]
    zoom = placement.size * size_px / sprite_px
    centre_x = size_px / 2 + (pose.x + placement.x) * size_px
    centre_y = size_px / 2 + (pose.y + placement.y) * size_px
    cos, sin = math.cos(pose.angle), math.sin(pose.angle)
    # Pillow wants the map from the canvas back to the sprite.
    a, b = cos / (zoom * pose.scale_x), sin / (zoom * pose.scale_x)
    d, e = -sin / (zoom * pose.scale_y), cos / (zoom * pose.scale_y)
    half = sprite_px / 2
    matrix = (a, b, half - a * centre_x - b * centre_y, d, e, half - d * centre_x - e * centre_y)
    image = Image.frombytes("RGBa", (sprite_px, sprite_px), sprite.tobytes())
    moved = image.transform((size_px, size_px), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    layer = np.asarray(moved, np.float32)
    return np.clip(layer[..., :3] + ground * (1 - layer[..., 3:] / 255), 0, 255).astype(np.uint8)


def plain_ground(colour: tuple[int, int, int], size_px: int) -> NDArray[np.float32]:
    """A picture of one colour: (size, size, 3) float in 0..255."""
    return np.broadcast_to(np.array(colour, np.float32), (size_px, size_px, 3))


def render_clip(
    sprite: NDArray[np.uint8],
    motion: str,
    colour: tuple[int, int, int],
    placement: Placement = Placement(),
    *,
    num_frames: int = 9,
    size_px: int = 64,
) -> NDArray[np.uint8]:
    """Draw a whole clip; returns (num_frames, size, size, 3) uint8."""
    ground = plain_ground(colour, size_px)
    times = [i / (num_frames - 1) for i in range(num_frames)]
    return np.stack([render_frame(sprite, MOTIONS[motion](t), ground, placement) for t in times])
