"""Writes clips to files, whole or not at all: under a temporary name beside the file, which is then renamed."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from praxino.media.formats import AUDIBLE, check_output
from praxino.media.frames import write_frames
from praxino.media.provenance import encodable
from praxino.media.sheet import contact_sheet, tile
from praxino.media.sound import Sound
from praxino.recipe import Encoding, Matting


def save(
    clips: Sequence[np.ndarray],
    path: str | Path,
    encoding: Encoding,
    fps: float,
    metadata: str | None,
    sound: Sound | None = None,
) -> Path:
    """Write a clip, or several in one grid, to a file; the same input gives the same bytes.

    Whatever goes wrong on the way, neither a half-written file nor a temporary one is left, and a file that was there
    before stays.

    Args:
        clips: clips (F, H, W, 3) uint8 RGB, of one size; several only with `encoding.grid`.
        path: the file, or for the format "frames" the folder. A file there is replaced.
        encoding: how.
        fps: frames per second.
        metadata: the recipe's JSON text, to keep in the file; None leaves no trace.
        sound: what is heard with it; left out where the format has no sound (all but `AUDIBLE`).

    Returns:
        The path written.

    Raises:
        UserError: as `check_output`.
    """
    path = Path(path)
    check_output(path, encoding, max(map(len, clips)))
    if encoding.matting != "none":
        clips = [_cut_out(clip, encoding.matting) for clip in clips]
    frames = tile(clips) if encoding.grid else clips[0]
    if encoding.sheet:
        frames = contact_sheet(frames)
    text = None if metadata is None else encodable(metadata)
    temporary = temporary_beside(path)
    try:
        _write(frames, temporary, encoding, fps, text, sound)
        _rename(temporary, path)
    except BaseException:
        _remove(temporary)
        raise
    return path


def temporary_beside(path: Path) -> Path:
    """A name in the same folder under which a file can grow unseen."""
    return path.parent / f".praxino-{secrets.token_hex(8)}.tmp"


def _cut_out(clip: np.ndarray, matting: Matting) -> np.ndarray:
    if matting == "ground":
        from praxino.media.matting import cut_out
    else:
        from praxino.media.subject import cut_out
    return cut_out(clip)


def _write(
    frames: np.ndarray, path: Path, encoding: Encoding, fps: float, metadata: str | None, sound: Sound | None
) -> None:
    if encoding.format == "frames":
        path.mkdir()
        write_frames(frames, path, metadata)
        return
    if encoding.format in AUDIBLE:
        from praxino.media.video import write_video

        write_video(frames, path, encoding, fps, metadata, sound)
    else:
        path.write_bytes(_picture_bytes(frames, encoding, fps, metadata))
    sync(path)


def sync(path: Path) -> None:
    """Have a file on the disk itself before it gets its name."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _picture_bytes(frames: np.ndarray, encoding: Encoding, fps: float, metadata: str | None) -> bytes:
    from praxino.media.gif import encode_gif
    from praxino.media.image import encode_avif, encode_jpeg, encode_png, encode_webp
    from praxino.media.svg import encode_svg

    match encoding.format:
        case "gif":
            return encode_gif(frames, fps, encoding.loop, encoding.gif, metadata)
        case "webp":
            return encode_webp(frames, fps, encoding.loop, encoding.quality, metadata)
        case "avif":
            return encode_avif(frames, fps, encoding.quality, metadata)
        case "jpeg":
            return encode_jpeg(frames, encoding.quality, metadata)
        case "svg":
            return encode_svg(frames, metadata)
        case _:
            return encode_png(frames, fps, encoding.loop, metadata)


def _rename(temporary: Path, path: Path) -> None:
    """Put `temporary` in the place of `path`; a folder there, which cannot be replaced in one go, is moved aside."""
    if not (temporary.is_dir() and path.exists()):
        os.replace(temporary, path)
        return
    aside = temporary.with_suffix(".old")
    os.replace(path, aside)
    try:
        os.replace(temporary, path)
    except BaseException:
        os.replace(aside, path)
        raise
    shutil.rmtree(aside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
