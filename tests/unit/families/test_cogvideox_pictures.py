from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from praxino.engine.geometry import resolve_size
from praxino.families.cogvideox.latents import group_length
from praxino.families.cogvideox.pictures import own_size, prepare
from praxino.families.cogvideox.positions import rotary
from praxino.families.cogvideox.variants import PUBLISHED
from praxino.request import Request


def photo(width, height):
    return np.random.default_rng(1).integers(0, 256, (1, height, width, 3), dtype=np.uint8)


def authors_size(width, height):
    """sample_video.py at 7a1af71, written out."""

    def nearest(n):
        lower, upper = (n // 16) * 16, (n // 16 + 1) * 16
        return lower if abs(n - lower) < abs(n - upper) else upper

    if height < width:
        return int(nearest(width / height * 96 * 8)) // 8 * 8, 768
    return 768, int(nearest(height / width * 96 * 8)) // 8 * 8


@pytest.mark.parametrize("size", [(1000, 700), (1360, 768), (640, 480), (480, 640), (777, 777), (1001, 800)])
def test_pictures_of_the_later_model_are_drawn_in_the_authors_size(size):
    assert own_size(*size) == authors_size(*size)
    drawn = resolve_size(Request(prompt="a cat"), PUBLISHED["cogvideox-1.5-5b-i2v"], size)
    assert drawn == authors_size(*size)


def test_they_are_resized_by_lanczos_without_a_cut():
    frames = photo(100, 75)
    width, height = own_size(100, 75)
    wanted = np.array(Image.fromarray(frames[0]).resize((width, height), Image.Resampling.LANCZOS))
    pixels = prepare(frames, width, height, "lanczos")
    assert torch.equal(pixels[0, :, 0], torch.from_numpy(wanted).permute(2, 0, 1).float() / 255 * 2 - 1)
    bicubic = prepare(frames, width, height, "bicubic")
    assert not torch.allclose(pixels, bicubic, atol=0.01)


def test_in_a_size_of_another_aspect_they_are_cut_in_the_middle():
    frames = np.zeros((1, 60, 120, 3), np.uint8)
    frames[:, :, 30:90] = 255
    assert prepare(frames, 768, 768, "lanczos").min() > 0.99


def test_pictures_of_the_first_models_cover_and_are_cut_in_the_middle():
    """resize_for_rectangle_crop of the authors, reshape_mode center, written out over torch's antialiased bicubic."""
    for width, height in ((90, 30), (30, 90)):
        frames = photo(width, height)
        pixels = torch.from_numpy(frames).permute(0, 3, 1, 2) / 255
        size = (32, int(width * 32 / height)) if width / height > 48 / 32 else (int(height * 48 / width), 48)
        resized = torch.nn.functional.interpolate(pixels, size, mode="bicubic", align_corners=False, antialias=True)
        top, left = (size[0] - 32) // 2, (size[1] - 48) // 2
        wanted = resized[0, :, top : top + 32, left : left + 48] * 2 - 1
        assert torch.equal(prepare(frames, 48, 32, "bicubic")[0, :, 0], wanted)


def groups(num_frames):
    length = group_length(num_frames)
    count = max(num_frames // length, 1)
    return [min(length + num_frames % length, num_frames), *[length] * (count - 1)]


def test_latents_are_decoded_in_the_authors_groups():
    assert groups(41) == [5, *[4] * 9]
    assert groups(21) == [3, *[2] * 9]
    assert groups(13) == [3, 2, 2, 2, 2, 2]
    assert groups(1) == [1] and groups(3) == [3] and groups(2) == [2]
    assert groups(23) == [3, *[2] * 10]
    for count in range(2, 60):
        assert sum(groups(count)) == count and all(length % 2 == 0 for length in groups(count)[1:])


def test_tokens_of_the_later_model_are_counted_and_not_stretched():
    given = {"use_rotary_positional_embeddings": True, "attention_head_dim": 16, "patch_size_t": 2}
    shape, device = (4, 12, 6), torch.device("cpu")
    small = rotary(SimpleNamespace(**given, sample_height=4, sample_width=8), shape, device)
    large = rotary(SimpleNamespace(**given, sample_height=300, sample_width=300), shape, device)
    assert small is not None and large is not None
    assert torch.equal(small[0], large[0]) and torch.equal(small[1], large[1])
    cosines = large[0].view(2, 6, 3, 16)
    angles = torch.arange(6, dtype=torch.float64)
    assert torch.allclose(cosines[0, :, 0, 4], angles.cos().float(), atol=1e-6)
    assert torch.allclose(cosines[:, 0, 0, 0], torch.arange(2).cos(), atol=1e-6)
