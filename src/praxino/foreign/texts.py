"""The texts that other programs put into pictures and clips, by name. Knows their places, not what they say.

| Format            | Place                                                     | Written by                |
|-------------------|-----------------------------------------------------------|---------------------------|
| PNG               | tEXt, iTXt, zTXt; `comf` in animations                    | both                      |
| JPEG, WebP, AVIF  | Exif UserComment; `prompt:` and `workflow:` in other tags | AUTOMATIC1111; ComfyUI    |
| GIF, JPEG         | comment                                                   | AUTOMATIC1111             |
| MP4, WebM         | tags, or JSON with them in the tag `comment`              | ComfyUI                   |
"""

from __future__ import annotations

import json
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from praxino.errors import UserError
from praxino.media import blocks
from praxino.media.files import head_of
from praxino.media.looks import is_video
from praxino.media.picture import open_picture

MAX_FILE_BYTES = 1 << 30
MAX_TEXT_BYTES = 16 << 20
NAMES = ("parameters", "prompt", "workflow")
"""What settings are kept under; "comment" is for texts that have no name."""
_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286


def texts_of(path: Path) -> dict[str, str]:
    """Every text of a picture or clip that might be settings; the first of each name.

    Raises:
        UserError: the file is missing, neither picture nor clip, damaged, or has a text too long to be settings.
    """
    head = head_of(path)
    if (size := path.stat().st_size) > MAX_FILE_BYTES:
        raise UserError(f"{path} has {size:,} bytes; pictures and clips of at most {MAX_FILE_BYTES:,} are read.")
    if is_video(head):
        found = _of_video(path)
    elif head.startswith(blocks.PNG_HEADER):
        found = _of_png(path)
    else:
        found = _of_picture(path)
    texts: dict[str, str] = {}
    for name, text in found:
        if len(text) > MAX_TEXT_BYTES:
            raise _too_long(path)
        texts.setdefault(name.lower(), text)
    return texts


def _too_long(path: Path) -> UserError:
    return UserError(f"{path} holds a text of more than {MAX_TEXT_BYTES >> 20} MiB; that is nobody's settings.")


def _of_png(path: Path) -> Iterator[tuple[str, str]]:
    try:
        for kind, content in blocks.png_chunks(path.read_bytes()):
            name, _, rest = content.partition(b"\0")
            if kind in (b"tEXt", b"comf"):
                yield _decoded(name), _decoded(rest)
            elif kind == b"zTXt":
                yield _decoded(name), _decoded(_inflated(path, rest[1:]))
            elif kind == b"iTXt":
                compressed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
                yield _decoded(name), _decoded(_inflated(path, text) if compressed else text)
    except (blocks.Truncated, zlib.error) as problem:
        raise UserError(f"{path} is damaged or cut short: {problem}. Copy or download it again.") from problem


def _inflated(path: Path, content: bytes) -> bytes:
    inflater = zlib.decompressobj()
    text = inflater.decompress(content, MAX_TEXT_BYTES)
    if inflater.unconsumed_tail:
        raise _too_long(path)
    return text


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _of_picture(path: Path) -> Iterator[tuple[str, str]]:
    with open_picture(path) as image, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exif = image.getexif()
        values = [*exif.values(), *exif.get_ifd(_EXIF_IFD).values()]
        comment = _user_comment(exif.get_ifd(_EXIF_IFD).get(_USER_COMMENT))
        named = [text.partition(":") for text in values if isinstance(text, str)]
        yield from ((name, text) for name, _, text in named if name.lower() in NAMES)
        for text in (comment, image.info.get("comment")):
            if text:
                yield "comment", _decoded(text) if isinstance(text, bytes) else str(text)


def _user_comment(value: Any) -> str:
    """An Exif UserComment: eight bytes say how it is coded (Exif 2.3, table 9); UTF-16 in either order of bytes."""
    if not isinstance(value, bytes):
        return str(value or "")
    coding, content = value[:8], value[8:]
    if coding == b"UNICODE\0":
        zeros_first = content[0::2].count(0) >= content[1::2].count(0)
        return content.decode("utf-16-be" if zeros_first else "utf-16-le", errors="replace").lstrip("\ufeff")
    return _decoded(content if coding.rstrip(b"\0") in (b"", b"ASCII", b"JIS") else value).strip("\0")


def _of_video(path: Path) -> Iterator[tuple[str, str]]:
    from praxino.media.video import read_tags

    for name, text in read_tags(path).items():
        yield name, text
        if name.lower() == "comment" and text.startswith("{"):
            yield from _inside(text)


def _inside(text: str) -> Iterator[tuple[str, str]]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return
    for name in NAMES:
        if name in values:
            yield name, values[name] if isinstance(values[name], str) else json.dumps(values[name])
