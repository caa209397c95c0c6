"""Which format a file's name asks for, and whether a file can be written there. Writes and decodes nothing."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from praxino.errors import UserError
from praxino.media.frames import is_frames_folder
from praxino.recipe import Encoding, Format

EXTENSIONS: dict[str, Format] = {
    ".gif": "gif",
    ".webp": "webp",
    ".avif": "avif",
    ".png": "png",
    ".apng": "png",
    ".mp4": "mp4",
    ".webm": "webm",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".svg": "svg",
}
STILL: dict[Format, str] = {"jpeg": "a JPEG", "svg": "an SVG"}
"""Formats that hold one picture, and what they are called."""
OPAQUE: tuple[Format, ...] = ("jpeg", "mp4", "webm")
"""Formats in which nothing is see-through."""
AUDIBLE: tuple[Format, ...] = ("mp4", "webm")
"""Formats that have sound."""
_MAX_NAME_BYTES = 255


def format_of(path: str | Path) -> Format | None:
    """The format that a name asks for by its extension or, as a string, by a slash at its end; None when by neither."""
    if isinstance(path, str) and path.endswith(("/", os.sep)):
        return "frames"
    return EXTENSIONS.get(Path(path).suffix.lower())


def check_output(path: str | Path, encoding: Encoding, num_frames: int = 1) -> None:
    """Refuse a file that could not be written, before anything is computed.

    Args:
        path: the file, or for "frames" the folder.
        encoding: how it will be written.
        num_frames: frames of the clip.

    Raises:
        UserError: its name fits no format, or not this one; its folder is missing or not writable; something else is
            there already; the format cannot hold a clip, or see-through pixels; or a package is missing.
    """
    path = Path(path)
    if "\0" in str(path) or len(os.fsencode(path.name)) > _MAX_NAME_BYTES:
        raise UserError(f"{str(path)[:80]!r} is no file name: at most {_MAX_NAME_BYTES} bytes, and no NUL in it.")
    _check_extension(path, encoding.format)
    if encoding.format in STILL and num_frames > 1 and not encoding.sheet:
        raise UserError(
            f"{path} would hold {num_frames} frames, and {STILL[encoding.format]} holds one; write a .gif, .webp or "
            ".mp4, or add --sheet for one picture of all frames."
        )
    check_encoding(encoding)
    _check_place(path, encoding.format)


def check_encoding(encoding: Encoding) -> None:
    """Refuse what no file could be written with. Raises UserError."""
    if encoding.matting != "none" and encoding.format in OPAQUE:
        raise UserError(
            f"nothing is see-through in a {encoding.format} file; write a .png, .webp, .avif or .gif, "
            "or leave --transparent out."
        )
    if encoding.format == "svg" and importlib.util.find_spec("vtracer") is None:
        raise UserError("writing an SVG needs the package vtracer; run: pip install 'praxino[svg]'")
    if encoding.matting == "rembg":
        from praxino.media.subject import check_rembg

        check_rembg()


def _check_extension(path: Path, format: Format) -> None:
    named = format_of(path)
    known = ", ".join(EXTENSIONS)
    if format == "frames":
        if named is not None:
            raise UserError(f"{path} is named like a {named} file, but frames go to a folder; name it {path.stem}.")
        return
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file in it, as {path / f'clip.{format}'}.")
    if named is None:
        extension = f"the extension {path.suffix}" if path.suffix else "no extension"
        raise UserError(f"{path} has {extension}; allowed are {known}. For a folder of pictures, add --format frames.")
    if named != format:
        raise UserError(f"{path} is named like a {named} file, but the format is {format}; change one of them.")


def _check_place(path: Path, format: Format) -> None:
    folder = path.parent
    if not folder.exists():
        raise UserError(f"there is no folder {folder} to write {path.name} into; make it first: mkdir -p {folder}")
    if not folder.is_dir():
        raise UserError(f"{folder} is a file, so {path.name} cannot be written into it; name a folder.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"the folder {folder} may not be written to by this user; name another for {path.name}.")
    if format != "frames" or not path.exists():
        return
    if not path.is_dir():
        raise UserError(f"{path} is a file, and frames go to a folder; name another, or remove it first.")
    if any(path.iterdir()) and not is_frames_folder(path):
        raise UserError(
            f"{path} is a folder with other things in it, and would be replaced; name another, or empty it first."
        )
