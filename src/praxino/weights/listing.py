"""Which files lie in a folder, with what changes when one of them does. Reads no file, and knows nothing of models.

It is looked up anew several times a request, so that no change on disk is missed: hence no pathlib, which takes five
times as long.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class File(NamedTuple):
    """A file as a folder has it."""

    name: str
    """Below the folder, with "/" between the parts."""
    size: int
    """Bytes."""
    modified_ns: int


def files_below(folder: Path) -> tuple[File, ...]:
    """All files of a folder and of the folders in it, sorted by name. Links to files count; those to folders do not."""
    return tuple(sorted(_below(str(folder), "")))


def _below(folder: str, inside: str) -> Iterator[File]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _below(entry.path, f"{inside}{entry.name}/")
            elif entry.is_file():
                known = entry.stat()
                yield File(inside + entry.name, known.st_size, known.st_mtime_ns)


def state(path: Path) -> tuple[File, ...]:
    """A file or folder, and what lies in it two levels deep, folders too, whether links or not; sorted.

    What is gone, or may not be looked at, is left out.
    """
    found = []
    with contextlib.suppress(OSError):
        known = os.stat(path)
        found = [File(str(path), known.st_size, known.st_mtime_ns), *_within(str(path), 2)]
    return tuple(sorted(found))


def _within(folder: str, levels: int) -> Iterator[File]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                known = entry.stat()
                yield File(entry.path, known.st_size, known.st_mtime_ns)
                if levels > 1 and entry.is_dir():
                    yield from _within(entry.path, levels - 1)
