"""H.264: a video that is the same wherever it is written, and a picture that went through it."""

import numpy as np
import pytest

from praxino.media import compressed, video
from praxino.recipe import Encoding


def clip(height, width, count=17):
    """A pattern without any order that moves to the right."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return np.stack([np.roll(pixels, 2 * number, axis=1) for number in range(count)])


@pytest.mark.parametrize("size", [(32, 32), (96, 64)])
def test_a_video_has_the_bytes_of_plain_c(size, tmp_path, monkeypatch):
    encoding = Encoding("mp4", loop=0, gif="good", quality=80, codec="h264", grid=False, sheet=False)
    video.write_video(clip(*size), tmp_path / "ours.mp4", encoding, 8, None)
    monkeypatch.setattr(video, "_X264_EVERYWHERE", {"x264-params": "asm=0"})
    video.write_video(clip(*size), tmp_path / "plain.mp4", encoding, 8, None)
    assert (tmp_path / "ours.mp4").read_bytes() == (tmp_path / "plain.mp4").read_bytes()


def test_a_picture_is_near_what_it_was_and_cut_to_even_sides():
    rows, columns = np.mgrid[0:41, 0:63]
    given = np.stack([rows * 6, columns * 4, (rows + columns) * 2], axis=-1).astype(np.uint8)
    seen = compressed.as_compressed(given, 29)
    assert seen.shape == (40, 62, 3)
    assert 0 < np.abs(seen.astype(float) - given[:40, :62]).mean() < 10
    assert np.array_equal(compressed.as_compressed(given, 29), seen)
