"""The second stage, which draws a clip larger: its sizes, steps and weights. Plain data, no torch.

Source: Tencent-Hunyuan/HunyuanVideo-1.5 at 60783e7, hyvideo/pipelines/hunyuan_video_sr_pipeline.py (BucketMap, SizeMap)
and hyvideo/commons/__init__.py (SR_PIPELINE_CONFIGS).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from praxino.errors import UserError
from praxino.families import Sampling, Shape, Variant
from praxino.families._hunyuan.sizes import buckets
from praxino.plain import from_plain, to_plain
from praxino.recipe import Companion

STRIDE = 16
REPOSITORY = "tencent/HunyuanVideo-1.5"
TRANSFORMER, UPSAMPLER = "larger-transformer", "larger-upsampler"
"""The companions' roles."""
SHIFT = 2.0
SEEN_FROM = 0.7
"""The noise that is mixed into the small clip, and the noise level down to which that is shown."""
OPTION = "larger"


@dataclass(frozen=True)
class Stage:
    """A published second stage. Both draw sides half as long again."""

    name: str
    """Of its folders in Tencent's repository."""
    steps: int


STAGES = {640: Stage("720p_sr_distilled", 6), 960: Stage("1080p_sr_distilled", 8)}
"""By the side of the square whose area the first stage's clips have; other checkpoints take the first."""


@dataclass(frozen=True)
class Larger:
    """What a recipe says of its second stage."""

    first_steps: int
    side: int
    """Of the square whose area the clip has in the end."""


def of_recipe(options: Mapping[str, Any]) -> Larger | None:
    """The second stage of a recipe; None without one."""
    return from_plain(Larger, options[OPTION]) if OPTION in options else None


def planned(sampling: Sampling, variant: Variant, shape: Shape) -> Sampling:
    """What is sampled with the second stage that a shape asks for.

    Raises:
        UserError: the clip is of no size that it knows, or is to have another than that one becomes.
    """
    side = variant.options["target"]
    stage = STAGES.get(side, STAGES[640])
    _check_sizes(variant, shape, sizes(side))
    paths = {TRANSFORMER: "transformer", UPSAMPLER: "upsampler"}
    return dataclasses.replace(
        sampling,
        steps=sampling.steps + stage.steps,
        options={**sampling.options, OPTION: to_plain(Larger(sampling.steps, _larger(side)))},
        companions=(
            *sampling.companions,
            *(Companion(role, f"{REPOSITORY}/{folder}/{stage.name}") for role, folder in paths.items()),
        ),
    )


@cache
def sizes(side: int) -> Mapping[tuple[int, int], tuple[int, int]]:
    """What each (width, height) of about a square's area becomes: of the larger one's, that with the nearest aspect."""
    larger = _lying_first(_larger(side))
    return {
        (wide, tall): min(larger, key=lambda size: abs(size[0] / size[1] - wide / tall))
        for wide, tall in _lying_first(side)
    }


def _larger(side: int) -> int:
    return side * 3 // 2


def vision_size(width: int, height: int, side: int) -> tuple[int, int]:
    """In which size of about a square's area a picture is looked at (get_closest_resolution_given_original_size)."""
    return min(buckets(side, STRIDE), key=lambda size: abs(round(size[1] / size[0], 5) - height / width))


def _lying_first(side: int) -> list[tuple[int, int]]:
    return [(tall, wide) for wide, tall in buckets(side, STRIDE)]


def _check_sizes(variant: Variant, shape: Shape, becomes: Mapping[tuple[int, int], tuple[int, int]]) -> None:
    drawn = shape.width, shape.height
    if drawn not in becomes:
        nearest = sorted(becomes, key=lambda size: abs(size[0] - drawn[0]) + abs(size[1] - drawn[1]))[:3]
        known = ", ".join(f"{width}x{height}" for width, height in nearest)
        raise UserError(
            f"--upscale: {variant.name} draws clips larger that have one of its authors' sizes, not "
            f"{drawn[0]}x{drawn[1]}; the nearest are {known}: give one with --size."
        )
    width, height = becomes[drawn]
    if shape.upscale != (width, height):
        asked = "x".join(map(str, shape.upscale))
        raise UserError(
            f"--upscale: {variant.name} makes {width}x{height} of {drawn[0]}x{drawn[1]}, not {asked}; "
            f"give --upscale {width}x{height}."
        )
