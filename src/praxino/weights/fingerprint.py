"""Tells two states of a checkpoint apart without reading tens of gigabytes. Knows nothing of what the files mean."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath

from praxino.weights.listing import File, files_below
from praxino.weights.selection import choose

WHOLE_BYTES = 64 * 2**20
"""Files up to this size are hashed whole."""
_PIECE_BYTES = 2**20
_PIECES = 16
_WEIGHED = {".json", ".safetensors", ".model", ".txt", ".jinja"}


def fingerprint(path: Path, patterns: tuple[str, ...] = ()) -> str:
    """Hex digest (32 digits) of a checkpoint: a file, or the configs, weights and tokenizers in a folder.

    With patterns, as in "vae/*", only what they name in a snapshot counts.

    Of a snapshot in the Hugging Face cache, only what a pull brings counts: other tools add files of their own to it.
    Larger files count by their size, their header and pieces spread over them: 17 MiB each at most.
    """
    if path.is_file():
        known = path.stat()
        return _fingerprint(path.parent, (File(path.name, known.st_size, known.st_mtime_ns),))
    return _fingerprint(path, _weighed(path, patterns))


@lru_cache(maxsize=256)
def _fingerprint(folder: Path, found: tuple[File, ...]) -> str:
    """Put together once a process, as long as the files stay the same."""
    digest = hashlib.sha256()
    for file in found:
        digest.update(f"{file.name}\0{file.size}\0".encode())
        digest.update(_file_digest(folder / file.name, file.size, file.modified_ns))
    return digest.hexdigest()[:32]


def size_bytes(path: Path) -> int:
    """Bytes of all files of a checkpoint."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.size for file in files_below(path))


def _weighed(folder: Path, patterns: tuple[str, ...]) -> tuple[File, ...]:
    found = files_below(folder)
    if folder.parent.name == "snapshots":
        chosen = set(choose((file.name for file in found), "", patterns).files)
        found = tuple(file for file in found if file.name in chosen)
    return tuple(file for file in found if PurePosixPath(file.name).suffix in _WEIGHED)


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
