"""The pictures and clips of a Request, read, checked and placed. Knows no family and no weights."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from praxino import media
from praxino.engine.length import Length, shown_frames
from praxino.engine.tasks import CHANGES
from praxino.errors import UserError
from praxino.families import Variant
from praxino.recipe import Condition, Pieces
from praxino.request import Request

DEFAULT_STRENGTH = 0.8
"""How much of a picture that is changed is drawn anew, unless the variant's options say, under "strength" (by task)."""
_LONGEST_SECONDS = 3600.0
SIDES: tuple[str, ...] = ("left", "right", "top", "bottom")


@dataclass(frozen=True)
class Source:
    """A picture or clip as it was read, and what it is for."""

    name: str
    frames: np.ndarray
    """(F, H, W, 3) uint8 RGB."""
    frame: int
    """The pixel frame of the new clip that it starts at; from the clip's end when negative."""
    strength: float
    role: str = "frame"
    first: int | None = None
    """Which frame of the file `frames` begins with, where they are cut to measure; else they are cut when placed."""
    fps: float = 0.0
    """Frames per second of a clip that is changed or followed."""
    places: tuple[int, ...] = ()
    """Which frames of the file these are, where they do not follow one another."""
    seconds: float | None = None
    """When in the new clip it is shown, where that is said in seconds and `frame` is not known yet."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.frames.shape[2], self.frames.shape[1]


def read_sources(request: Request, task: str, variant: Variant) -> list[Source]:
    """Read every picture and clip that the request names; the one that a task is about comes first.

    Raises:
        UserError: a file is not readable as such, a mask is of another size than its picture, or a keyframe, control,
            reference or margin is not written as it must be.
    """
    about = _changed(request, task, variant) if task in CHANGES else _frames(request, variant)
    return [*about, *_steering(request, variant)]


def at_frames(sources: list[Source], fps: float) -> list[Source]:
    """The same, with times in the new clip as the frames that are shown then."""
    return [
        source if source.seconds is None else replace(source, frame=round(source.seconds * fps), seconds=None)
        for source in sources
    ]


def place_sources(sources: list[Source], length: Length, frame_step: int) -> tuple[Condition, ...]:
    """Turn sources into conditions, sorted by frame. Keyframes are those of the clip in the file.

    Raises:
        UserError: a keyframe lies outside of the clip, or two of them on one frame.
    """
    conditions: list[Condition] = []
    others: list[Condition] = []
    drawn = length.pieces if length.pieces.num_frames else Pieces(length.num_frames)
    shown = shown_frames(drawn, min(length.num_frames, drawn.span))
    for source in sources:
        if source.role != "frame":
            given = media.embed(source.frames, _told_name(source), source.places)
            others.append(Condition(0, source.strength, given, source.role))
            continue
        first, frames = _overlap(source, drawn.num_frames, frame_step)
        if source.frame >= len(shown):
            raise UserError(
                f"keyframe {source.name} is at frame {source.frame}; the clip's frames are 0 to {len(shown) - 1}."
            )
        frame = shown[source.frame] if source.frame > 0 else 0 if source.frame == 0 else drawn.span - len(frames)
        conditions.append(
            Condition(
                frame, source.strength, media.embed(frames, _told_name(source), range(first, first + len(frames)))
            )
        )
    conditions.sort(key=lambda condition: condition.frame)
    for one, other in itertools.pairwise(conditions):
        if one.frame == other.frame:
            raise UserError(f"{one.media.source} and {other.media.source} are both at frame {one.frame}; move one.")
    return (*conditions, *others)


def _frames(request: Request, variant: Variant) -> Iterator[Source]:
    """What the new clip has to show, or the clip that is changed."""
    strength = 1.0 if request.strength is None else request.strength
    if first := request.image or request.first:
        yield Source(first, media.read_picture(first), 0, strength)
    for text in request.keyframes:
        yield _keyframe(text)
    if request.last:
        yield Source(request.last, media.read_picture(request.last), -1, strength)
    if request.video and not request.join:
        frames, fps = media.read_clip(request.video)
        if len(frames) < 2:
            raise UserError(
                f"--video {request.video} has one frame; give a clip of several, or use --image for a picture."
            )
        if "extend" in variant.steering:
            yield Source(request.video, frames, -1 if request.extend == "backward" else 0, strength)
        else:
            yield Source(request.video, frames, 0, _share(request, variant, "video-to-video"), "video", fps=fps)
        if request.mask:
            frames, fps = media.read_clip(request.mask)
            yield Source(request.mask, frames, 0, 1.0, "mask", fps=fps)


def _changed(request: Request, task: str, variant: Variant) -> Iterator[Source]:
    """The picture that is changed, and the mask of what is drawn anew."""
    name = request.image or ""
    picture = media.read_picture(name)
    share = 1.0 if task in ("instruction-editing", "outpainting") else _share(request, variant, task)
    if request.expand:
        canvas, mask = _expanded(picture, request.expand)
        yield Source(name, canvas, 0, share, "image")
        yield Source("margins", mask, 0, 1.0, "mask")
        return
    yield Source(name, picture, 0, share, "image")
    if request.mask:
        mask = media.read_picture(request.mask)
        if mask.shape != picture.shape:
            raise UserError(
                f"--mask {request.mask} has {mask.shape[2]}x{mask.shape[1]} pixels and --image {name} "
                f"{picture.shape[2]}x{picture.shape[1]}; they must be alike."
            )
        yield Source(request.mask, mask, 0, 1.0, "mask")


def _share(request: Request, variant: Variant, task: str) -> float:
    if request.strength is not None:
        return request.strength
    default = variant.options.get("strength", DEFAULT_STRENGTH)
    return float(default.get(task, 1.0) if isinstance(default, Mapping) else default)


def _expanded(picture: np.ndarray, text: str) -> tuple[np.ndarray, np.ndarray]:
    """The picture with its edges drawn out into the margins, and white margins around black."""
    margins = _margins(text)
    around = ((0, 0), (margins["top"], margins["bottom"]), (margins["left"], margins["right"]), (0, 0))
    mask = np.pad(np.zeros_like(picture), around, constant_values=255)
    return np.pad(picture, around, mode="edge"), mask


def _margins(text: str) -> dict[str, int]:
    margins = dict.fromkeys(SIDES, 0)
    for part in text.split(","):
        side, _, pixels = part.partition("=")
        if side.strip() not in SIDES or not pixels.strip().isdecimal() or not 0 < int(pixels) <= 8192:
            raise UserError(
                f"--expand has {part[:80]!r}; write SIDE=PIXELS, as in left=256,right=256: "
                f"a side is {', '.join(SIDES)}, and pixels are 1 to 8192."
            )
        margins[side.strip()] = int(pixels)
    return margins


def _steering(request: Request, variant: Variant) -> Iterator[Source]:
    for text in request.control:
        kind, _, rest = text.partition("=")
        usual = float(variant.options.get("control_scale", 1.0))
        name, scale = scaled(rest, usual, f"--control {text}", 0, 2)
        role = f"control:{kind.removesuffix('-map')}" if kind.endswith("-map") else f"annotate:{kind}"
        frames, fps = (media.read_picture(name), 0.0) if variant.grid.max_frames == 1 else media.read_clip(name)
        yield Source(name, frames, 0, scale, role, fps=fps)
    for text in request.reference:
        name, weight = scaled(text, 1.0, f"--reference {text}", 0, 2)
        yield Source(name, media.read_picture(name), 0, weight, "reference")


def scaled(text: str, default: float, said: str, least: float, most: float) -> tuple[str, float]:
    """The name and the number of "NAME[:NUMBER]". Raises UserError when the number is out of bounds."""
    name, number = text, default
    head, _, tail = text.rpartition(":")
    if head:
        try:
            name, number = head, float(tail)
        except ValueError:
            name = text
    if not least <= number <= most:
        raise UserError(f"{said[:200]}: the number is {number:g}; allowed is {least:g} to {most:g}.")
    return name, number


def _keyframe(text: str) -> Source:
    name, _, place = text.rpartition("@")
    when, _, strength = place.partition(":")
    try:
        index, seconds = (0, float(when[:-1])) if when.endswith("s") else (int(when), None)
        weight = float(strength or 1)
    except ValueError:
        index, seconds, weight = -1, None, -1.0
    if not (name and index >= 0 and 0 <= weight <= 1 and (seconds is None or 0 <= seconds <= _LONGEST_SECONDS)):
        raise UserError(
            f"--keyframe is {text[:200]!r}; write FILE@FRAME[:STRENGTH], as in sun.png@16:0.8, or FILE@SECONDSs, as in "
            "sun.png@1.5s (frames and seconds count from 0, strength is 0 to 1)."
        )
    return Source(name, media.read_picture(name), index, weight, seconds=seconds)


def _told_name(source: Source) -> str:
    """What the recipe calls it: a picture travels inside the recipe, so its folder is nobody's business."""
    return Path(source.name).name if len(source.frames) == 1 else source.name


def _overlap(source: Source, num_frames: int, frame_step: int) -> tuple[int, np.ndarray]:
    """The frames of a source that the new clip shares, and the index of the first of them.

    Of a clip to extend that is its end, or its beginning when going backward. Their number is on the frame grid and at
    most half of the new clip, so that there is something left to draw.
    """
    if len(source.frames) == 1 or source.first is not None:
        return source.first or 0, source.frames
    most = min(len(source.frames), max(1, num_frames // 2))
    count = (most - 1) // frame_step * frame_step + 1
    first = len(source.frames) - count if source.frame == 0 else 0
    return first, source.frames[first : first + count]
