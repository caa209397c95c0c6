"""Tells two states of a checkpoint apart without reading tens of gigabytes. Knows nothing of what the files mean."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from praxino.weights.selection import choose

WHOLE_BYTES = 64 * 2**20
"""Files up to this size are hashed whole."""
_PIECE_BYTES = 2**20
_PIECES = 16
_WEIGHED = {".json", ".safetensors", ".model", ".txt", ".jinja"}


def fingerprint(path: Path) -> str:
    """Hex digest (32 digits) of a checkpoint: a file, or the configs, weights and tokenizers in a folder.

    Of a snapshot in the Hugging Face cache, only what a pull brings counts: other tools add files of their own to it.
    Larger files count by their size, their header and pieces spread over them: 17 MiB each at most.
    """
    digest = hashlib.sha256()
    for file in _files(path):
        name = file.name if path.is_file() else file.relative_to(path).as_posix()
        known = file.stat()
        digest.update(f"{name}\0{known.st_size}\0".encode())
        digest.update(_file_digest(file, known.st_size, known.st_mtime_ns))
    return digest.hexdigest()[:32]


def size_bytes(path: Path) -> int:
    """Bytes of all files of a checkpoint."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    names = [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]
    if path.parent.name == "snapshots":
        names = choose(names).files
    return [path / name for name in sorted(names) if (path / name).suffix in _WEIGHED]


@lru_cache(maxsize=1024)
def _file_digest(file: Path, size: int, modified_ns: int) -> bytes:
    """Read once a process as long as size and time of change stay the same."""
    digest = hashlib.sha256()
    for piece in _pieces(file, size):
        digest.update(piece)
    return digest.digest()


def _pieces(file: Path, size: int) -> Iterator[bytes]:
    with file.open("rb") as stream:
        if size <= WHOLE_BYTES:
            yield stream.read()
            return
        for index in range(_PIECES + 1):
            stream.seek(min(size - _PIECE_BYTES, index * size // _PIECES))
            yield stream.read(_PIECE_BYTES)
