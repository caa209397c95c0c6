"""Clips as folders of numbered PNGs. Knows no recipe."""

from __future__ import annotations

import itertools
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from praxino.media.files import head_of
from praxino.media.image import encode_png
from praxino.media.provenance import PNG_PREFIX, RECIPE_FILE

_MOST_THREADS = 8
"""That compress at once: the library does so beside others, and each picture by itself."""
_NUMBERED = re.compile(r"\d{4,}\.png")


def write_frames(frames: np.ndarray, folder: Path, metadata: str | None) -> None:
    """Write (F, H, W, 3 or 4) uint8 as 0001.png, 0002.png, ... into an existing, empty folder.

    `metadata` goes into each picture, and into recipe.json.
    """

    def write(number: int, frame: np.ndarray) -> None:
        (folder / f"{number:04}.png").write_bytes(encode_png(frame[None], 1, 0, metadata))

    with ThreadPoolExecutor(min(len(frames), os.cpu_count() or 1, _MOST_THREADS)) as pool:
        list(pool.map(write, itertools.count(1), frames))
    if metadata is not None:
        (folder / RECIPE_FILE).write_text(metadata, encoding="utf-8", newline="")


def is_frames_folder(folder: Path) -> bool:
    """Whether all in a folder was written by `write_frames` with metadata, so that it may be replaced."""
    names = {file.name for file in folder.iterdir()}
    if RECIPE_FILE not in names or not all(_NUMBERED.fullmatch(name) for name in names - {RECIPE_FILE}):
        return False
    first = folder / "0001.png"
    return first.is_file() and PNG_PREFIX in head_of(first)
