"""Pictures and clips inside a recipe, so that it can be run again without the files it was made from."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from praxino.errors import UserError
from praxino.media.image import MAX_WEBP_SIDE, encode_png, encode_webp
from praxino.media.picture import open_picture_bytes
from praxino.media.read import MAX_KEPT_FRAMES, animation, read_clip, read_picture
from praxino.recipe import Media

MAX_EMBEDDED_CLIP_BYTES = 4 << 20
_CLIP_FPS = 10
_CLIP_FRAME_MS = 100
_PART = re.compile(r"(.*)#frames=([\d,-]+)", re.DOTALL)


def embed(frames: np.ndarray, source: str, places: Sequence[int] = ()) -> Media:
    """Frames as a recipe's `Media`: a PNG when there is one, a lossless WebP when there are several and it is small.

    Args:
        frames: (F, H, W, 3) uint8 RGB.
        source: where they came from.
        places: which of the source's frames these are; () for all of them. A clip that is too large to embed is read
            again from `source`, which then ends in "#frames=" and these, as in 0-3,5,5.
    """
    digest = _digest(frames)
    if len(frames) == 1:
        return Media(source, digest, _data_url("png", encode_png(frames, 1, 0, None)))
    moves = bool((frames != frames[0]).any())
    if moves and max(frames.shape[1:3]) <= MAX_WEBP_SIDE:
        data = encode_webp(frames, _CLIP_FPS, 0, 100, None)
        if len(data) <= MAX_EMBEDDED_CLIP_BYTES:
            return Media(source, digest, _data_url("webp", data))
    return Media(f"{source}#frames={_ranges(places or range(len(frames)))}", digest, "")


def refer(frames: np.ndarray, source: str) -> Media:
    """All frames of a file as a recipe's `Media` that holds none of them: they are read again from `source`."""
    return Media(f"{source}#frames=0-{len(frames) - 1}", _digest(frames), "")


def file_of(media: Media) -> Path:
    """The file that a recipe's `Media` was read from."""
    part = _PART.fullmatch(media.source)
    return Path(part[1] if part else media.source)


def load(media: Media) -> NDArray[np.uint8]:
    """The frames of a recipe's `Media`, (F, H, W, 3) uint8 RGB: the very pixels that were embedded.

    Raises:
        UserError: what is embedded is damaged, or the source is missing or no longer the same.
    """
    frames = _embedded(media) if media.data else _read_again(media.source)
    if _digest(frames) != media.sha256:
        if media.data:
            raise UserError(f"the picture {media.source} inside the recipe is damaged; use another copy of the file.")
        raise UserError(
            f"{media.source} is no longer what the recipe was made from: its pixels are others.\n"
            "Put the original back, or draw anew with --video."
        )
    return frames


def _digest(frames: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(frames).data).hexdigest()


def _data_url(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _embedded(media: Media) -> NDArray[np.uint8]:
    try:
        data = base64.b64decode(media.data.partition("base64,")[2], validate=True)
    except ValueError as problem:
        raise UserError(f"the picture {media.source} inside the recipe is not base64; use another copy.") from problem
    with open_picture_bytes(data, media.source) as image:
        frames, durations = animation(Path(media.source), image)
    repeats = [max(1, duration // _CLIP_FRAME_MS) for duration in durations]
    return np.repeat(np.stack(frames), repeats, axis=0)


def _read_again(source: str) -> NDArray[np.uint8]:
    part = _PART.fullmatch(source)
    if part is None:
        return read_picture(source)
    frames = read_clip(part[1], MAX_KEPT_FRAMES)[0]
    return frames[[place for place in _places(part[2]) if place < len(frames)]]


def _ranges(places: Sequence[int]) -> str:
    """Numbers as 0-3,5,5: those that follow one another as the first and the last of them."""
    runs: list[list[int]] = []
    for place in places:
        if runs and place == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], place]
        else:
            runs.append([place])
    return ",".join("-".join(map(str, run)) for run in runs)


def _places(said: str) -> list[int]:
    ends = (list(map(int, run.split("-"))) for run in said.split(","))
    return [place for run in ends for place in range(run[0], run[-1] + 1)]
