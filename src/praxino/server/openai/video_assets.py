"""What can be downloaded of a video beside itself: a still and a contact sheet. Blocking; knows no HTTP request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from praxino import media
from praxino.engine.encoding import DEFAULT_QUALITY
from praxino.media.image import encode_jpeg, encode_webp
from praxino.media.sheet import contact_sheet
from praxino.media.video import read_video_frames

MAX_CELLS = 25
"""Frames of a contact sheet, at even distances."""
MAX_CELL_SIDE_PX = 320


def thumbnail(path: Path) -> bytes:
    """The first frame of a video, as WebP, with the recipe inside."""
    frames = np.stack(read_video_frames(path, [0]))
    return encode_webp(frames, 1, 0, DEFAULT_QUALITY, media.read_metadata(path))


def spritesheet(path: Path, num_frames: int) -> bytes:
    """Frames of a video of `num_frames` side by side, as JPEG, with the recipe inside."""
    numbers = np.linspace(0, num_frames - 1, min(num_frames, MAX_CELLS)).round().astype(int)
    cells = np.stack([_small(frame) for frame in read_video_frames(path, numbers.tolist())])
    return encode_jpeg(contact_sheet(cells), DEFAULT_QUALITY, media.read_metadata(path))


def _small(frame: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(frame)
    picture.thumbnail((MAX_CELL_SIDE_PX, MAX_CELL_SIDE_PX))
    return np.asarray(picture)
