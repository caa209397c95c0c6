"""Opens pictures and animations with Pillow, safely: no bomb is decoded, no warning printed, no damage painted over.

Knows no video and no recipe.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from praxino.errors import UserError
from praxino.media import blocks
from praxino.media.files import head_of
from praxino.media.looks import described

MAX_PIXELS = 100_000_000
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "PPM")
"""What is read: Pillow's formats of pictures that people have, not all that it can parse."""


@contextmanager
def open_picture(path: Path) -> Iterator[ImageFile.ImageFile]:
    """A Pillow image whose pixels are not decoded yet; what goes wrong inside the `with` is told as one UserError.

    Raises:
        UserError: no such file, not a picture, damaged, cut short, or of more than `MAX_PIXELS`.
    """
    head = head_of(path)
    with path.open("rb") as file:
        yield from _guarded(path, head, file)


@contextmanager
def open_picture_bytes(data: bytes, name: str) -> Iterator[ImageFile.ImageFile]:
    """As `open_picture`, of a file's bytes; errors call it `name`."""
    yield from _guarded(Path(name), data[:16], io.BytesIO(data))


def _guarded(path: Path, head: bytes, file: io.BufferedIOBase) -> Iterator[ImageFile.ImageFile]:
    try:
        image = _identified(path, head, file)
        _check_size(path, image)
        yield image
    except UserError:
        raise
    except Exception as problem:  # Pillow's decoders raise whatever a damaged byte makes them raise.
        raise UserError(
            f"{path} is damaged or cut short; it looks like {described(head)}. Copy or download it again.\n({problem})"
        ) from problem


def _identified(path: Path, head: bytes, file: io.BufferedIOBase) -> ImageFile.ImageFile:
    """What Image.open does, for these formats only and without its warning about large pictures."""
    Image.init()
    for name in FORMATS:
        factory, accept = Image.OPEN[name]
        if accept is None or accept(head[:16]) is True:
            if name == "GIF":
                _check_gif_is_whole(file)
            file.seek(0)
            return factory(file, str(path))  # pyright: ignore[reportArgumentType, reportReturnType]
    raise UserError(
        f"{path} is not a picture; it looks like {described(head)}. Give a PNG, JPEG, GIF, WebP, AVIF, BMP or TIFF."
    )


def _check_gif_is_whole(file: io.BufferedIOBase) -> None:
    for _ in blocks.gif_extensions(file.read()):
        pass


def _check_size(path: Path, image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise UserError(
            f"{path} has {image.width}x{image.height} pixels; at most {MAX_PIXELS // 1_000_000} million are read. "
            "Scale it down first."
        )


def rgb(image: Image.Image) -> NDArray[np.uint8]:
    """The picture as (H, W, 3) uint8: upright, over white where it is transparent, 16 bits as 8."""
    image.load()
    turn = _TURNS.get(_orientation(image.info.get("exif") or b""))
    upright = image if turn is None else image.transpose(turn)
    if upright.mode.startswith("I;16"):
        grey = (np.asarray(upright) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if upright.mode in ("I", "F"):
        raise ValueError(f"its pixels are numbers of 32 bits (mode {upright.mode}), not colours")
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
    return np.asarray(upright.convert("RGB"))


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION_TAG = 0x0112


def _orientation(exif: bytes) -> int:
    """The orientation, 1 to 8, in Exif bytes; 1 when there is none, or when they are damaged.

    Read here because Pillow warns of each oddity in them, and nothing but the orientation is wanted.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 10:
        return 1
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    entries = tiff[start + 2 : start + 2 + 12 * 200]
    for at in range(0, len(entries) - 11, 12):
        tag, _kind, _count, value = struct.unpack_from(f"{order}HHIH", entries, at)
        if tag == _ORIENTATION_TAG:
            return value
    return 1
