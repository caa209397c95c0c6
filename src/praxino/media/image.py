"""Stills and animations that Pillow encodes: PNG and APNG, WebP, AVIF, JPEG. Knows no file name and no recipe."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from praxino.errors import UserError
from praxino.media import blocks
from praxino.media.provenance import KEY, jpeg_with, xmp_packet
from praxino.media.timing import MILLISECONDS, delays

MAX_WEBP_SIDE = 16_383
MAX_JPEG_SIDE = 65_500
_AVIF_THREADS = 1
"""The same on every machine: the encoder decides differently with another number."""


def encode_png(frames: np.ndarray, fps: float, loop: int, metadata: str | None) -> bytes:
    """A PNG, or an APNG of several frames: lossless. Frames equal to the one before are merged with it.

    Args:
        frames: (F, H, W, 3) uint8 RGB, or with alpha (F, H, W, 4).
        fps: frames per second; frames last whole milliseconds, and their sum is right to one of these.
        loop: times it plays; 0 is for ever.
        metadata: text to keep in the file.
    """
    texts = PngInfo()
    if metadata is not None:
        texts.add_itxt(KEY, metadata)
    return _encoded(frames, fps, "PNG", pnginfo=texts, loop=loop)


def encode_webp(frames: np.ndarray, fps: float, loop: int, quality: int, metadata: str | None) -> bytes:
    """A WebP: lossy at `quality` 1 to 99 (libwebp's own scale), lossless at 100. Otherwise as `encode_png`.

    Raises:
        UserError: a side is longer than WebP can hold.
    """
    _check_sides(frames, MAX_WEBP_SIDE, "WebP")
    lossless = quality == 100
    options: dict[str, Any] = {"lossless": lossless, "quality": 75 if lossless else quality, "method": 4}
    if not lossless and len(frames) > 1:
        options["allow_mixed"] = True
    return _encoded(frames, fps, "WEBP", **_with_xmp(metadata), **options, loop=loop)


def encode_avif(frames: np.ndarray, fps: float, quality: int, metadata: str | None) -> bytes:
    """An AVIF (AV1) at `quality` 1 to 100, libavif's own scale; it plays for ever. Otherwise as `encode_png`."""
    options: dict[str, Any] = {"quality": quality, "speed": 7, "codec": "aom", "max_threads": _AVIF_THREADS}
    if quality >= 90:
        options["subsampling"] = "4:4:4"
    return blocks.without_times(_encoded(frames, fps, "AVIF", **_with_xmp(metadata), **options))


def encode_jpeg(picture: np.ndarray, quality: int, metadata: str | None) -> bytes:
    """A JPEG of one picture, (1, H, W, 3) uint8, at `quality` 1 to 100, libjpeg's own scale; from 90 on in full colour.

    Raises:
        UserError: a side is longer than JPEG can hold.
    """
    _check_sides(picture, MAX_JPEG_SIDE, "JPEG")
    data = _encoded(picture, 1, "JPEG", quality=quality, subsampling=0 if quality >= 90 else 2)
    return data if metadata is None else jpeg_with(data, metadata)


def _encoded(frames: np.ndarray, fps: float, format: str, **options: Any) -> bytes:
    images = [Image.fromarray(np.ascontiguousarray(frame)) for frame in frames]
    if len(images) > 1:
        options |= {"save_all": True, "append_images": images[1:], "duration": delays(len(images), fps, MILLISECONDS)}
    file = io.BytesIO()
    images[0].save(file, format=format, **options)
    return file.getvalue()


def _with_xmp(metadata: str | None) -> dict[str, bytes]:
    return {} if metadata is None else {"xmp": xmp_packet(metadata)}


def _check_sides(frames: np.ndarray, longest: int, format: str) -> None:
    height, width = frames.shape[1:3]
    if max(height, width) > longest:
        raise UserError(
            f"the picture has {width}x{height} pixels; {format} holds at most {longest} a side. Write a PNG instead."
        )
