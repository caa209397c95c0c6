"""Writes src/praxino/motions/library/*.json: a figure of human proportions, moved by the angles of its limbs.

python bench/make_motions.py

Body axes: x to the figure's left, y up, z ahead; lengths in heights of the figure. A limb hangs down at (0, 0); its
first angle lifts it sideways, away from the body, its second swings it ahead. Degrees.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from math import cos, pi, radians, sin
from pathlib import Path

LIBRARY = Path(__file__).parents[1] / "src" / "praxino" / "motions" / "library"
FPS = 16
NECK, NOSE, EYE, EAR = 0.82, 0.895, 0.915, 0.905
HIP_HEIGHT, ANKLE = 0.53, 0.04
SHOULDER, HIP, EYE_SIDE, EAR_SIDE = 0.125, 0.07, 0.018, 0.045
UPPER_ARM, FOREARM, THIGH, SHIN = 0.175, 0.155, 0.245, 0.245

Angles = tuple[float, float]
Point = tuple[float, float, float]


@dataclass
class Pose:
    """One moment. Each arm and leg is (upper limb, lower limb)."""

    right_arm: tuple[Angles, Angles] = ((8, 0), (6, 8))
    left_arm: tuple[Angles, Angles] = ((8, 0), (6, 8))
    right_leg: tuple[Angles, Angles] = ((3, 0), (3, 0))
    left_leg: tuple[Angles, Angles] = ((3, 0), (3, 0))
    yaw: float = 0.0
    sway: float = 0.0
    """Of the hips to the left, in heights."""
    lean: float = 0.0
    """Of the trunk to the left."""
    above_ground: float = 0.0
    """Of the lower foot, in heights."""
    visible_from: float = field(default=-0.25)
    """How far a face may turn away before it is no longer seen, as the cosine."""


def limb(start: Point, angles: Angles, length: float, side: int) -> Point:
    """The far end of a limb."""
    out, ahead = (radians(angle) for angle in angles)
    x, y = side * sin(out), -cos(out)
    return start[0] + length * x, start[1] + length * y * cos(ahead), start[2] - length * y * sin(ahead)


def joints(pose: Pose) -> list[list[float] | None]:
    """The 18 joints as the viewer sees them: [x, y] from the ground below the figure, None where hidden."""
    points = _body(pose)
    turn = radians(pose.yaw)
    seen = [(x * cos(turn) + z * sin(turn), y, z * cos(turn) - x * sin(turn)) for x, y, z in points]
    facing = cos(turn)
    shown: list[list[float] | None] = [[round(x, 3), round(y, 3)] for x, y, _ in seen]
    if facing < pose.visible_from:
        shown[0] = shown[14] = shown[15] = None
    for ear, side in ((16, -1), (17, 1)):
        if side * sin(turn) > 0.5:
            shown[ear] = None
    return shown


def _body(pose: Pose) -> list[Point]:
    """COCO's order: nose, neck, right arm, left arm, right leg, left leg, eyes, ears."""
    legs = [_leg((side * HIP, 0.0, 0.0), angles, side) for side, angles in ((-1, pose.right_leg), (1, pose.left_leg))]
    lowest = min(leg[2][1] for leg in legs)
    raised = ANKLE - lowest + pose.above_ground
    lean = radians(pose.lean)

    def trunk(x: float, height: float, z: float = 0.0) -> Point:
        up = height - HIP_HEIGHT
        return pose.sway + x * cos(lean) + up * sin(lean), raised + up * cos(lean) - x * sin(lean), z

    arms = []
    for side, (upper, lower) in ((-1, pose.right_arm), (1, pose.left_arm)):
        shoulder = trunk(side * SHOULDER, NECK - 0.01)
        elbow = limb(shoulder, upper, UPPER_ARM, side)
        arms.append((shoulder, elbow, limb(elbow, lower, FOREARM, side)))
    hips = [[(x + pose.sway, y + raised, z) for x, y, z in leg] for leg in legs]
    face = [trunk(side * EYE_SIDE, EYE, 0.05) for side in (-1, 1)] + [trunk(side * EAR_SIDE, EAR) for side in (-1, 1)]
    return [trunk(0, NOSE, 0.06), trunk(0, NECK), *arms[0], *arms[1], *hips[0], *hips[1], *face]


def _leg(hip: Point, angles: tuple[Angles, Angles], side: int) -> tuple[Point, Point, Point]:
    knee = limb(hip, angles[0], THIGH, side)
    return hip, knee, limb(knee, angles[1], SHIN, side)


def wave(time: float) -> Pose:
    """The right hand, twice a round."""
    swing = sin(4 * pi * time)
    return Pose(right_arm=((105, 0), (172 - 32 * swing, 0)), sway=0.006 * swing, lean=1.5 * sin(2 * pi * time))


def walk(time: float) -> Pose:
    """On the spot, seen from the side and a little from the front; one round is two steps."""
    return Pose(
        right_leg=_step(time), left_leg=_step(time + 0.5), right_arm=_swing(time + 0.5), left_arm=_swing(time), yaw=65,
    )  # fmt: skip


def _step(time: float) -> tuple[Angles, Angles]:
    thigh = 4 + 24 * sin(2 * pi * time)
    bend = 8 + 44 * max(0.0, sin(2 * pi * (time + 0.16))) ** 2
    return (2, thigh), (2, thigh - bend)


def _swing(time: float) -> tuple[Angles, Angles]:
    ahead = 24 * sin(2 * pi * time)
    return (7, ahead), (4, ahead + 20 + 6 * sin(2 * pi * time))


def jump(time: float) -> Pose:
    """Down, up, in the air, down, and upright."""
    crouch = _bump(time, 0.24, 0.2) + 0.7 * _bump(time, 0.74, 0.16)
    flight = min(1.0, max(0.0, (time - 0.36) / 0.28))
    arms = 150 * _bump(time, 0.5, 0.32) - 25 * _bump(time, 0.2, 0.18)
    leg = ((4 + 6 * _bump(time, 0.5, 0.2), 52 * crouch), (4 + 4 * _bump(time, 0.5, 0.2), -46 * crouch))
    arm = ((12, arms), (10, arms + 10))
    return Pose(arm, arm, leg, leg, above_ground=0.2 * 4 * flight * (1 - flight))


def _bump(time: float, centre: float, width: float) -> float:
    """Rises from 0 to 1 and falls again, smoothly, within `width` of the centre."""
    away = abs(time - centre) / width
    return 0.5 + 0.5 * cos(pi * away) if away < 1 else 0.0


def turn(time: float) -> Pose:
    """Once around, in four small steps, with the arms a little out."""
    step = 9 * sin(8 * pi * time)
    return Pose(
        right_arm=((24, 5), (18, 12)), left_arm=((24, 5), (18, 12)), yaw=360 * time,
        right_leg=((3, max(0.0, step)), (3, -1.2 * max(0.0, step))),
        left_leg=((3, max(0.0, -step)), (3, -1.2 * max(0.0, -step))),
    )  # fmt: skip


def dance(time: float) -> Pose:
    """Four beats: hips from side to side, one arm up after the other."""
    side, beat = sin(2 * pi * time), abs(sin(4 * pi * time))
    right, left = 0.5 + 0.5 * side, 0.5 - 0.5 * side
    return Pose(
        right_arm=((35 + 105 * right, 10), (25 + 145 * right, 25)),
        left_arm=((35 + 105 * left, 10), (25 + 145 * left, 25)),
        right_leg=((10 + 3 * left, 20 * right * beat), (3, -26 * right * beat)),
        left_leg=((10 + 3 * right, 20 * left * beat), (3, -26 * left * beat)),
        sway=0.05 * side, lean=-7 * side, yaw=12 * sin(2 * pi * time),
    )  # fmt: skip


MOTIONS: dict[str, tuple[str, float, Callable[[float], Pose]]] = {
    "wave": ("a person waves with one hand", 2.0, wave),
    "walk": ("a person walks on the spot, seen from the side", 1.0, walk),
    "jump": ("a person jumps up once", 2.5, jump),
    "turn": ("a person turns around once", 4.0, turn),
    "dance": ("a person dances", 2.0, dance),
}
"""By name: what is seen, the seconds of a round, and the pose at a time from 0 to 1."""


def main() -> None:
    """Write every motion."""
    LIBRARY.mkdir(exist_ok=True)
    for name, (about, seconds, pose_at) in MOTIONS.items():
        count = round(seconds * FPS)
        frames = [joints(pose_at(index / count)) for index in range(count)]
        told = {"about": about, "fps": FPS, "loop": True, "frames": frames}
        (LIBRARY / f"{name}.json").write_text(json.dumps(told, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
