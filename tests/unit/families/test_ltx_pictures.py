import numpy as np
import pytest
import torch

from praxino.families import _linear
from praxino.families.ltx_video import latents, pictures

ROOM = pictures.Room(64, 32, (64, 32))


def gradient(height, width, frames=1):
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), (x + y) % 256], -1)
    return np.repeat(picture[None].astype(np.uint8), frames, 0)


@pytest.mark.parametrize(
    ("size", "target", "kept"),
    [((100, 50), (64, 64), (slice(0, 50), slice(25, 75))), ((50, 100), (64, 32), (slice(37, 62), slice(0, 50)))],
)
def test_the_middle_is_kept_at_the_targets_aspect(size, target, kept):
    frames = gradient(size[1], size[0])
    np.testing.assert_array_equal(pictures.crop_to_aspect(frames, *target), frames[:, kept[0], kept[1]])


@pytest.mark.parametrize("preparation", ["plain", "lightricks"])
@pytest.mark.parametrize("size", [(64, 64), (97, 41), (1, 1), (3, 2), (400, 200)])
def test_any_picture_becomes_the_size_asked_for(preparation, size):
    prepared = pictures.prepare(gradient(size[1], size[0], 2), ROOM, preparation)
    assert prepared.shape == (1, 3, 2, 32, 64)
    assert prepared.dtype == torch.float32
    assert prepared.min() >= -1.01 and prepared.max() <= 1.01


def test_plain_keeps_a_picture_of_the_right_size_as_it_is():
    frames = gradient(32, 64)
    expected = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    torch.testing.assert_close(pictures.prepare(frames, ROOM, "plain"), expected)


def test_a_smaller_pass_sees_the_whole_of_what_the_frames_show_in_the_end():
    """Cropped to the frames' aspect, then stretched: 3 x 2 of a square keeps its middle rows and all its columns."""
    frames = gradient(90, 90)
    seen = pictures.prepare(frames, pictures.Room(64, 64, (96, 64)), "plain")
    kept = pictures.prepare(frames[:, 15:75], pictures.Room(64, 64, (90, 60)), "plain")
    torch.testing.assert_close(seen, kept)


def test_blur_is_a_normalised_gaussian():
    spot = torch.zeros(1, 3, 5, 5)
    spot[:, :, 2, 2] = 1
    blurred = pictures.blur(spot)[0, 0]
    assert blurred.sum() == pytest.approx(1)
    assert (blurred[2, 3] / blurred[2, 2]).item() == pytest.approx(np.exp(-0.5))
    assert (blurred[3, 3] / blurred[2, 2]).item() == pytest.approx(np.exp(-1))
    torch.testing.assert_close(pictures.blur(torch.full((1, 3, 4, 4), 0.7)), torch.full((1, 3, 4, 4), 0.7))


def test_compression_is_near_and_cut_to_even_sides():
    given = torch.from_numpy(gradient(41, 63)[0]).permute(2, 0, 1).float() / 255
    compressed = pictures.compress(given)
    assert compressed.shape == (3, 40, 62)
    error = (compressed[:2] - given[:2, :40, :62]).abs().mean()
    assert 0 < error < 0.05
    assert torch.equal(compressed, pictures.compress(given))


def test_pixels_are_rounded_down():
    values = torch.tensor([-2.0, -1.0, 0.0, 0.999, 1.0, 2.0]).expand(3, 1, 1, 6)
    assert latents.to_uint8(values, (6, 1))[0, 0, :, 0].tolist() == [0, 0, 127, 254, 255, 255]


def test_tone_map_leaves_small_values_and_draws_in_large_ones():
    values = torch.tensor([0.0, 0.1, 1.0, 10.0])
    assert latents.tone_map(values, 0) is values
    mapped = latents.tone_map(values, 1.0)
    assert mapped[0] == 0
    assert mapped[2].item() == pytest.approx(1 - 0.6 * 0.5)
    assert mapped[3].item() == pytest.approx(10 * (1 - 0.6), rel=1e-4)


def test_preview_by_factors_is_linear():
    given = torch.zeros(1, 4, 3, 2, 5)
    given[:, 0, 1] = 1.0
    weight = [[0.5, 0, 0, 0], [-0.5, 0, 0, 0], [0, 1, 0, 0]]
    picture = _linear.preview(given, (weight, [0.5, 0.0, -1.0]))
    assert picture.shape == (2, 5, 3)
    assert picture[0, 0].tolist() == [255, 63, 0]


def test_preview_without_factors_shows_where_latents_differ():
    given = torch.randn(1, 8, 1, 4, 4, generator=torch.Generator().manual_seed(1)) * 0.1
    given[..., :2] += torch.arange(8.0).view(1, 8, 1, 1, 1)
    picture = _linear.preview(given, None)
    left, right = picture[:, :2, 0].astype(int), picture[:, 2:, 0].astype(int)
    assert abs(left.mean() - right.mean()) > 50
    flat = _linear.preview(torch.ones(1, 8, 1, 4, 4), None)
    assert flat.shape == (4, 4, 3)
