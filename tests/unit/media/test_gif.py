import io

import numpy as np
import pytest
from PIL import Image

from praxino.media import blocks, gif
from praxino.media.gif import STYLES, encode_gif


def ball(num_frames=9, height=48, width=64, grain=0.0):
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    frames = np.empty((num_frames, height, width, 3), np.float32)
    frames[:] = (72, 149, 239)
    for k, frame in enumerate(frames):
        distance = np.hypot(rows - 24, columns - 10 - 5 * k)
        frame[distance < 9] = np.stack([250 - 9 * distance, 60 + distance, 40 + 2 * distance], axis=-1)[distance < 9]
    return (frames + rng.normal(0, grain or 1e-9, frames.shape)).round().clip(0, 255).astype(np.uint8)


def decoded(data):
    image = Image.open(io.BytesIO(data))
    frames, durations = [], []
    for k in range(image.n_frames):
        image.seek(k)
        frames.append(np.asarray(image.convert("RGB")))
        durations.append(image.info.get("duration", 0))
    return np.stack(frames), durations, image.info


@pytest.mark.parametrize("quality", STYLES)
def test_few_colours_come_back_exactly(quality):
    clip = np.zeros((4, 20, 30, 3), np.uint8)
    for k in range(4):
        clip[k, 5:10, 3 * k : 3 * k + 5] = (255, 30 * k, 0)
    shown, _, _ = decoded(encode_gif(clip, 10, 0, quality, None))
    assert (shown == clip).all()


def test_durations_are_exact_in_all():
    _, durations, info = decoded(encode_gif(ball(25), 24, 0, "good", None))
    assert durations[:4] == [40, 40, 40, 50]
    assert abs(sum(durations) - 25 * 1000 / 24) <= 5
    assert info["loop"] == 0


@pytest.mark.parametrize(("loop", "netscape"), [(0, 0), (1, None), (2, 1), (65_535, 65_534)])
def test_loop_counts_plays(loop, netscape):
    assert decoded(encode_gif(ball(3), 10, loop, "good", None))[2].get("loop") == netscape


@pytest.mark.parametrize("fps", [60, 100, 240])
def test_a_fast_clip_drops_frames_and_keeps_its_length(fps):
    shown, durations, _ = decoded(encode_gif(ball(9), fps, 0, "good", None))
    assert len(shown) < 9
    assert min(durations) >= 20
    assert abs(sum(durations) - 9 * 1000 / fps) <= 15


def test_equal_frames_are_kept():
    shown, durations, _ = decoded(encode_gif(ball(1).repeat(4, axis=0), 10, 0, "good", None))
    assert len(shown) == 4
    assert durations == [100] * 4


def test_one_frame_is_a_still():
    data = encode_gif(ball(1), 10, 0, "good", None)
    assert b"NETSCAPE" not in data
    assert len(decoded(data)[0]) == 1


@pytest.mark.parametrize(("quality", "least"), [("small", 36), ("good", 40), ("best", 45)])
def test_likeness(quality, least):
    clip = ball(grain=1.3)
    shown, _, _ = decoded(encode_gif(clip, 10, 0, quality, None))
    assert 10 * np.log10(255**2 / np.mean((shown - clip.astype(float)) ** 2)) > least


@pytest.mark.parametrize("quality", ["small", "good"])
def test_a_plain_ground_stays_flat_and_still(quality):
    shown, _, _ = decoded(encode_gif(ball(grain=1.3), 10, 0, quality, None))
    top = shown[:, :10].reshape(-1, 3)
    colours, counts = np.unique(top, axis=0, return_counts=True)
    assert counts.max() / counts.sum() > 0.99
    assert (abs(colours[counts.argmax()].astype(int) - (72, 149, 239)) <= 2).all()


def test_sizes_are_in_order_and_small():
    clip = ball(25, grain=1.3)
    small, good, best = (len(encode_gif(clip, 10, 0, quality, None)) for quality in ("small", "good", "best"))
    assert small < good < best
    assert good < 12_000


def test_many_colours_get_a_palette_a_frame_only_when_best():
    clip = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    best, good = encode_gif(clip, 10, 0, "best", None), encode_gif(clip, 10, 0, "good", None)
    assert not best[10] & 0x80
    assert good[10] & 0x80
    assert decoded(best)[0].shape == decoded(good)[0].shape == clip.shape


def test_a_pixel_that_moves_is_drawn_and_a_slow_drift_is_followed():
    clip = np.full((30, 16, 16, 3), 100, np.uint8)
    clip += np.arange(30, dtype=np.uint8)[:, None, None, None]
    clip[10:, 8, 8] = 200
    shown, _, _ = decoded(encode_gif(clip, 10, 0, "good", None))
    assert abs(shown.astype(int) - clip)[:, :4].max() <= 6
    assert abs(shown[10:, 8, 8].astype(int) - 200).max() <= 6


def test_blocks_end_with_a_trailer_and_a_cut_is_noticed():
    data = encode_gif(ball(3), 10, 0, "good", "x" * 1000)
    assert list(blocks.gif_extensions(data)) == [(b"NETSCAPE2.0", b"\x01\0\0"), (b"PRAXINO 1.0", b"x" * 1000)]
    for length in range(0, len(data), 7):
        with pytest.raises(blocks.Truncated):
            list(blocks.gif_extensions(data[:length]))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 1)])
def test_tiny_clips(size):
    clip = np.random.default_rng(0).integers(0, 256, (3, *size, 3), np.uint8)
    assert (decoded(encode_gif(clip, 10, 0, "best", None))[0] == clip).all()


@pytest.mark.parametrize("quality", STYLES)
def test_the_frames_that_are_matched_at_once_change_no_byte(monkeypatch, quality):
    clip = ball(7, grain=1.3)
    at_once = encode_gif(clip, 10, 0, quality, None)
    monkeypatch.setattr(gif, "_MATCHED_PIXELS", 2 * clip[0, ..., 0].size)
    assert encode_gif(clip, 10, 0, quality, None) == at_once


@pytest.mark.parametrize("hold", [1, 3])
def test_pixels_move_with_their_neighbourhood(hold):
    difference = np.random.default_rng(hold).integers(-3 * hold, 3 * hold + 1, (3, 9, 7)).astype(np.int16)
    padded = np.pad(difference.astype(float), ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2)).mean(axis=(3, 4))
    expected = (abs(around).max(axis=0) > hold + 1e-9) | (abs(difference).max(axis=0) > 2 * hold)
    assert 0 < expected.sum() < expected.size
    assert (gif._moved(difference, hold) == expected).all()
