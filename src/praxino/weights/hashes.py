"""Hashes of files as the Hub writes them: SHA-256 of large ones, git's SHA-1 of small ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

_PIECE_BYTES = 2**24


def sha256(path: Path, on_bytes: Callable[[int], None] = lambda _: None) -> str:
    """Hex digest of a file; `on_bytes` is called with the bytes of each piece that was read."""
    return _digest(hashlib.sha256(), path, on_bytes)


def matches(path: Path, expected: str, on_bytes: Callable[[int], None] = lambda _: None) -> bool:
    """Whether a file has that hash: 64 digits of SHA-256, or the 40 of its SHA-1 as a git blob."""
    if len(expected) == 64:
        return sha256(path, on_bytes) == expected
    header = f"blob {path.stat().st_size}\0".encode()
    return _digest(hashlib.sha1(header, usedforsecurity=False), path, on_bytes) == expected


def _digest(digest: hashlib._Hash, path: Path, on_bytes: Callable[[int], None]) -> str:
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
            on_bytes(len(piece))
    return digest.hexdigest()
