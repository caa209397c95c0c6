"""The outlines of GIF, PNG, JPEG, AVIF and WebM files: which blocks there are, and their bytes.

Decodes no picture. Every reader raises `Truncated` when the file ends before its format says it does.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

GIF_HEADER = (b"GIF87a", b"GIF89a")
PNG_HEADER = b"\x89PNG\r\n\x1a\n"
JPEG_HEADER = b"\xff\xd8\xff"


class Truncated(ValueError):
    """The file ends in the middle."""


def gif_extensions(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Walk a GIF to its end: the (identifier, content) of each application extension.

    Raises:
        Truncated: there is no trailer.
    """
    at = 13 + _table_bytes(_byte(data, 10))
    while (kind := _byte(data, at)) != 0x3B:
        if kind == 0x2C:
            at = _after_sub_blocks(data, at + 11 + _table_bytes(_byte(data, at + 9)))
        elif kind == 0x21 and _byte(data, at + 1) == 0xFF:
            start = at + 3 + _byte(data, at + 2)
            at, name = _after_sub_blocks(data, start), data[at + 3 : start]
            yield name, _joined_sub_blocks(data, start)
        elif kind == 0x21:
            at = _after_sub_blocks(data, at + 2)
        else:
            raise Truncated(f"no block begins at byte {at}")


def gif_sub_blocks(content: bytes) -> bytes:
    """Content cut into pieces of 255 bytes, each after its length, with the terminator."""
    pieces = [content[start : start + 255] for start in range(0, len(content), 255)]
    return b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The (type, content) of every chunk of a PNG.

    Raises:
        Truncated: there is no IEND.
    """
    at, kind = len(PNG_HEADER), b""
    while kind != b"IEND":
        if at + 12 > len(data):
            raise Truncated("no IEND chunk")
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            raise Truncated(f"the {kind!r} chunk ends early")
        yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The (marker, content) of a JPEG's segments up to its pixels.

    Raises:
        Truncated: the pixels do not begin.
    """
    at = 2
    while (marker := _byte(data, at + 1)) != 0xDA:
        if _byte(data, at) != 0xFF:
            raise Truncated(f"no segment begins at byte {at}")
        if marker == 0xFF:
            at += 1
            continue
        length = _byte(data, at + 2) << 8 | _byte(data, at + 3)
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length


def without_times(data: bytes) -> bytes:
    """An AVIF, or other ISO media file, with its times of creation and modification zero."""
    cleared = bytearray(data)
    _clear_times(cleared, 0, len(data))
    return bytes(cleared)


def _clear_times(data: bytearray, at: int, end: int) -> None:
    while at + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind in (b"moov", b"trak", b"mdia"):
            _clear_times(data, at + 8, at + length)
        elif kind in (b"mvhd", b"tkhd", b"mdhd"):
            both = 16 if data[at + 8] == 1 else 8
            data[at + 12 : at + 12 + both] = bytes(both)
        if length < 8:
            return
        at += length


def matroska_bytes(head: bytes) -> int:
    """How long a WebM or Matroska file says that it is; 0 when it does not say."""
    at, size = _ebml_size(head, 4)
    at += size
    if head[at : at + 4] != b"\x18\x53\x80\x67":
        return 0
    start, size = _ebml_size(head, at + 4)
    return start + size if size else 0


def _ebml_size(head: bytes, at: int) -> tuple[int, int]:
    """Where the content begins after a variable-length size, and the size; 0 when unknown."""
    first = _byte(head, at)
    width = 9 - first.bit_length()
    size = int.from_bytes(head[at : at + width]) & (1 << 7 * width) - 1
    return at + width, 0 if size == (1 << 7 * width) - 1 else size


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise Truncated(f"byte {at} is missing")
    return data[at]


def _table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_sub_blocks(data: bytes, at: int) -> int:
    while length := _byte(data, at):
        at += 1 + length
    return at + 1


def _joined_sub_blocks(data: bytes, at: int) -> bytes:
    pieces = []
    while length := data[at]:
        pieces.append(data[at + 1 : at + 1 + length])
        at += 1 + length
    return b"".join(pieces)
