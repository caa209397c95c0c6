"""How the frames will become a file: decided from the request and the output's name. Writes nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from praxino import media
from praxino.errors import UserError
from praxino.recipe import Encoding
from praxino.request import Request

DEFAULT_QUALITY = 90
CODECS: dict[str, tuple[str, ...]] = {"mp4": ("h264", "av1"), "webm": ("vp9", "av1")}
"""The codecs of each video format, the default first."""


def resolve_encoding(request: Request, output: Path | None, num_frames: int) -> Encoding:
    """Decide format, codec and quality.

    Raises:
        UserError: the request's fields contradict each other or the output's extension.
    """
    named = media.format_of(output) if output is not None else None
    format = request.format or named or ("png" if request.sheet or num_frames == 1 else "gif")
    if named is not None and request.format not in (None, named):
        raise UserError(f"--format is {request.format}, but {output} is a {named} file; give one of them.")
    if request.gif and format != "gif":
        raise UserError(f"--gif {request.gif} is for GIF files; the output is {format}.")
    if request.grid and request.n == 1:
        raise UserError("--grid needs several samples: add -n 4.")
    if request.matting and not request.transparent:
        raise UserError("--matting says how --transparent is done: add --transparent.")
    encoding = Encoding(
        format=format,  # pyright: ignore[reportArgumentType]
        loop=request.loop or 0,
        gif=request.gif or "good",  # pyright: ignore[reportArgumentType]
        quality=DEFAULT_QUALITY if request.lossy_quality is None else request.lossy_quality,
        codec=_codec(request.codec, format),  # pyright: ignore[reportArgumentType]
        grid=request.grid,
        sheet=request.sheet,
        matting=(request.matting or "ground") if request.transparent else "none",  # pyright: ignore[reportArgumentType]
    )
    media.check_encoding(encoding)
    return encoding


def encoding_for(encoding: Encoding, path: Path) -> Encoding:
    """The same encoding in the format that a path's extension names; the ground is kept where that has no see-through.

    Raises:
        UserError: the extension is of no format known here.
    """
    format = media.format_of(path)
    if format is None or format == encoding.format:
        return encoding
    matting = "none" if format in media.OPAQUE else encoding.matting
    return dataclasses.replace(encoding, format=format, codec=_codec(None, format), grid=False, matting=matting)  # pyright: ignore[reportArgumentType]


def _codec(wanted: str | None, format: str) -> str:
    allowed = CODECS.get(format, ())
    if wanted is None:
        return allowed[0] if allowed else "none"
    if wanted not in allowed:
        holds = f"{format} holds {' or '.join(allowed)}" if allowed else "only MP4 and WebM have codecs"
        raise UserError(f"--codec is {wanted}, but the output is {format}; {holds}.")
    return wanted
