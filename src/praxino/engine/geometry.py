"""Sizes: what was asked for, on the grid of what a variant can draw.

Refuses, with the nearest legal values; rounds only the friendly form, an aspect. Knows no file, no weights.
"""

from __future__ import annotations

import dataclasses
import math
import re

from praxino.errors import UserError
from praxino.families import Grid, Variant
from praxino.request import Request

_LONGER_SIDE_2K = 2048
_NEAR = 0.1
"""How far a side of a second stage may be from what a factor says, where that stage makes one size alone."""


def resolve_size(
    request: Request, variant: Variant, picture_size: tuple[int, int] | None, *, keeps_size: bool = False
) -> tuple[int, int]:
    """Decide width and height. Without a size, a picture's aspect is kept at the variant's own area.

    With `keeps_size`, a picture that is to be changed keeps its own size, rounded to the grid, where that is within its
    bounds. A variant with buckets draws the one nearest to the picture's aspect, of those that a size such as 480p
    names where it is asked for.

    Raises:
        UserError: a value is off the variant's grid.
    """
    grid = variant.grid
    if request.size is not None and request.size in grid.named:
        return grid.bucket(*(picture_size or (variant.width, variant.height)), request.size)
    if request.upscale and (request.size is None or ":" in request.size):
        variant = dataclasses.replace(variant, grid=dataclasses.replace(grid, sizes=grid.sizes or (*grid.enlarged(),)))
    keeps_size = keeps_size or bool(grid.buckets)
    kept = _kept(picture_size, grid) if request.size is None and picture_size and keeps_size else None
    return kept or _size(request.size, variant, picture_size)


def _size(text: str | None, variant: Variant, picture_size: tuple[int, int] | None) -> tuple[int, int]:
    grid = variant.grid
    if text is None:
        if picture_size is None:
            return variant.width, variant.height
        return _of_aspect(*picture_size, variant)
    if match := re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?):(\d{1,6}(?:\.\d{1,3})?)", text):
        across, down = map(float, match.groups())
        if min(across, down) > 0 and 1 / 8 <= across / down <= 8:
            return _of_aspect(across, down, variant)
        raise UserError(f"--size {text}: an aspect lies between 1:8 and 8:1.")
    match = re.fullmatch(r"(\d{1,7})[x×X](\d{1,7})", text)
    if match is None:
        raise UserError(
            f"--size is {text[:80]!r}; write WIDTHxHEIGHT in pixels, as in {variant.width}x{variant.height}, or 16:9."
        )
    width, height = map(int, match.groups())
    if grid.sizes:
        if (width, height) not in grid.sizes:
            nearest = sorted(grid.sizes, key=lambda size: abs(size[0] - width) + abs(size[1] - height))[:3]
            allowed = " and ".join(f"{w}x{h}" for w, h in nearest)
            which = "the nearest sizes that it draws are" if len(nearest) > 1 else "it draws"
            raise UserError(f"{variant.name} does not draw {width}x{height}; {which} {allowed}.")
        return width, height
    _check_side("width", width, grid)
    _check_side("height", height, grid)
    return width, height


def resolve_upscale(text: str | None, drawn: tuple[int, int], grid: Grid) -> tuple[int, ...]:
    """Width and height of a second stage, () without one.

    By a factor they are multiples of the grid's or, where the stage makes one size alone, that one, if it is near.

    Raises:
        UserError: it is written otherwise, or not larger.
    """
    if text is None:
        return ()
    width, height = drawn
    if match := re.fullmatch(r"(\d{1,4})[x×X](\d{1,4})", text):
        larger = int(match[1]), int(match[2])
    elif match := re.fullmatch(r"(\d(?:\.\d{1,2})?)[x×X]", text):
        larger = _made_of(drawn, float(match[1]), grid)
    elif text.lower() == "2k":
        larger = _made_of(drawn, _LONGER_SIDE_2K / max(drawn), grid)
    else:
        raise UserError(f"--upscale is {text[:80]!r}; write a factor as in 2x, or 2k, or WIDTHxHEIGHT in pixels.")
    if larger[0] < width or larger[1] < height or larger == drawn:
        raise UserError(
            f"--upscale {text}: {larger[0]}x{larger[1]} is not larger than the {width}x{height} drawn before."
        )
    return larger


def check_enlarged(size: tuple[int, int], variant: Variant) -> None:
    """Refuse a picture that would be made smaller before it is drawn larger. Raises UserError."""
    if max(size) > variant.grid.max_side:
        raise UserError(
            f"the picture has {size[0]}x{size[1]} pixels; {variant.name} draws it {variant.upscale} as large from at "
            f"most {variant.grid.max_side} a side. Give a smaller one, or --size WIDTHxHEIGHT to have it made smaller."
        )


def _made_of(size: tuple[int, int], factor: float, grid: Grid) -> tuple[int, int]:
    made = grid.enlarged().get(size)
    if made and all(abs(to / (side * factor) - 1) <= _NEAR for to, side in zip(made, size, strict=True)):
        return made
    width, height = (round(side * factor / grid.size_multiple) * grid.size_multiple for side in size)
    return width, height


def _kept(size: tuple[int, int], grid: Grid) -> tuple[int, int] | None:
    """The size that a picture which is changed is drawn in, None where the variant's own area decides."""
    if grid.buckets:
        return grid.bucket(*size)
    if grid.sizes:
        return size if size in grid.sizes else None
    if not all(grid.min_side <= side <= grid.max_side for side in size):
        return None
    width, height = (_nearest_multiple(side, grid) for side in size)
    return width, height


def _nearest_multiple(side: int, grid: Grid) -> int:
    step = grid.size_multiple
    least, most = -(-grid.min_side // step) * step, grid.max_side // step * step
    return max(least, min(most, round(side / step) * step))


def _check_side(name: str, value: int, grid: Grid) -> None:
    if grid.min_side <= value <= grid.max_side and value % grid.size_multiple == 0:
        return
    below = max(grid.min_side, min(grid.max_side, value // grid.size_multiple * grid.size_multiple))
    above = min(grid.max_side, below + grid.size_multiple) if value > below else below
    nearest = f"{below} and {above}" if above != below else f"{below}"
    verb = "are" if above != below else "is"
    raise UserError(
        f"{name} {value} is not a multiple of {grid.size_multiple} from {grid.min_side} to {grid.max_side}; "
        f"the nearest allowed {verb} {nearest}."
    )


def _of_aspect(across: float, down: float, variant: Variant) -> tuple[int, int]:
    if variant.grid.fit == "nearest":
        return _nearest_aspect(across / down, variant)
    return variant.grid.fitted(across, down, variant.width * variant.height)


def _nearest_aspect(aspect: float, variant: Variant) -> tuple[int, int]:
    """The legal size nearest to an aspect (width / height), with about the variant's own number of pixels."""
    grid = variant.grid
    area = variant.width * variant.height
    step = grid.size_multiple
    sides = range(max(step, -(-grid.min_side // step) * step), grid.max_side + 1, step)
    sizes = grid.sizes or [(w, h) for w in sides for h in _heights(w / aspect, grid)]

    def cost(size: tuple[int, int]) -> float:
        width, height = size
        return abs(math.log(width / height / aspect)) * 4 + abs(math.log(width * height / area))

    return min(sizes, key=cost)


def _heights(wanted: float, grid: Grid) -> list[int]:
    """The legal heights around the wanted one; the nearest bound when it lies beyond it."""
    step = grid.size_multiple
    least, most = -(-grid.min_side // step) * step, grid.max_side // step * step
    below = int(wanted) // step * step
    return sorted({max(least, min(most, height)) for height in (below, below + step)})
