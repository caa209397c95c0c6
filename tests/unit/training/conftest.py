"""Arithmetic in float32 on every machine; tests that draw sprites skip where the font is missing."""

import numpy as np
import pytest

from praxino.errors import UserError
from praxino.training.motions import Placement, render_clip
from praxino.training.sprites import find_font


@pytest.fixture(autouse=True)
def _float32(monkeypatch):
    monkeypatch.setattr("praxino.training.loop.bf16_is_fast", lambda device: False)


@pytest.fixture
def font():
    try:
        return find_font()
    except UserError as problem:
        pytest.skip(str(problem))


@pytest.fixture(scope="session")
def blob_clips():
    """(12, 9, 64, 64, 3) uint8: soft blobs of many colours, moving; needs no font."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[-1:1:48j, -1:1:48j]
    motions = ["spinning", "sliding left", "bouncing", "pulsing"]
    clips = []
    for number in range(12):
        alpha = np.clip(1.4 - 1.6 * np.hypot(rows, columns * rng.uniform(0.6, 1.6)), 0, 1)[..., None]
        colour = rng.uniform(0, 255, 3) + 60 * np.stack([rows, columns, rows * columns], -1)
        pixels = np.concatenate([np.clip(colour, 0, 255) * alpha, 255 * alpha], -1).astype(np.uint8)
        ground = tuple(rng.integers(0, 256, 3).tolist())
        clips.append(render_clip(pixels, motions[number % 4], ground, Placement(0.56)))
    return np.stack(clips)
