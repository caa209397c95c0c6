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
    """Where a thing is: centre offset in widths of the picture, angle in radians (clockwise), scale along both axes.

    `opacity` is 0 for what cannot be seen, 1 for what hides its ground.
    """

    x: float = 0.0
    y: float = 0.0
    angle: float = 0.0
    scale_x: float = 1.0
    scale_y: float = 1.0
    opacity: float = 1.0


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


def _jump(t: float) -> Pose:
    """Crouch, leap once, land: at rest at both ends."""
    crouch = max(0.0, math.sin(math.pi * min(t, 0.25) / 0.25)) + max(0.0, math.sin(math.pi * max(t - 0.75, 0) / 0.25))
    leap = max(0.0, math.sin(math.pi * (t - 0.25) / 0.5)) if 0.25 < t < 0.75 else 0.0
    return Pose(
        y=0.12 + 0.07 * crouch - 0.34 * leap, scale_x=1 + 0.16 * crouch, scale_y=1 - 0.22 * crouch + 0.12 * leap
    )


def _triangle(t: float) -> float:
    """A wave of straight lines: 0 at t = 0, then 1, 0, -1 and 0 again at t = 1."""
    return 2 / math.pi * math.asin(math.sin(math.tau * t))


def _wobble(t: float) -> Pose:
    stretch = 0.2 * math.sin(2 * math.tau * t)
    return Pose(scale_x=1 + stretch, scale_y=1 - stretch)


def _zoom(t: float) -> Pose:
    scale = 0.25 + 1.05 * t
    return Pose(scale_x=scale, scale_y=scale)


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

MORE_MOTIONS: dict[str, Callable[[float], Pose]] = {
    "flipping": lambda t: Pose(scale_x=math.cos(math.tau * t)),
    "orbiting": lambda t: Pose(x=0.2 * math.sin(math.tau * t), y=-0.2 * math.cos(math.tau * t)),
    "fading in": lambda t: Pose(opacity=t),
    "fading out": lambda t: Pose(opacity=1 - t),
    "jumping": _jump,
    "zigzagging": lambda t: Pose(x=_wrapped(TRAVEL * t), y=0.2 * _triangle(2 * t)),
    "zooming in": _zoom,
    "wobbling": _wobble,
}
"""The second edition's own. Fading and zooming end elsewhere than they began; the others loop."""

PATHS = {**MOTIONS, **MORE_MOTIONS}
CROSSINGS: dict[str, tuple[int, int]] = {
    "flying up": (0, -1),
    "falling down": (0, 1),
    "sliding left": (-1, 0),
    "sliding right": (1, 0),
    "zigzagging": (1, 0),
}
"""Motions that leave the picture, and to which side: right and down are positive."""


@dataclass(frozen=True)
class Placement:
    """What is particular to one clip: size of the thing in widths of the picture, and offset of its centre."""

    size: float = 0.56
    x: float = 0.0
    y: float = 0.0


def _visible(scale: float) -> float:
    """A scale that can be divided by: what is turned edgewise is a line, not nothing."""
    return math.copysign(max(abs(scale), 0.02), scale)


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
    across, down = (zoom * _visible(scale) for scale in (pose.scale_x, pose.scale_y))
    a, b, d, e = cos / across, sin / across, -sin / down, cos / down
    half = sprite_px / 2
    matrix = (a, b, half - a * centre_x - b * centre_y, d, e, half - d * centre_x - e * centre_y)
    image = Image.frombytes("RGBa", (sprite_px, sprite_px), sprite.tobytes())
    moved = image.transform((size_px, size_px), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    layer = np.asarray(moved, np.float32)
    if pose.opacity != 1:
        layer = layer * np.float32(pose.opacity)
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
    return np.stack([render_frame(sprite, PATHS[motion](t), ground, placement) for t in times])
