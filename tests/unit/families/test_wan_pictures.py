"""Pictures as Wan's authors resize them, each beside what diffusers does instead."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers.video_processor import VideoProcessor
from PIL import Image

from praxino.families.wan import pictures
from praxino.families.wan.conditioning import fill, mask_cells

FRAME = np.random.default_rng(3).integers(0, 256, (1, 90, 160, 3), dtype=np.uint8)


def plain(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames).permute(0, 3, 1, 2) / 127.5 - 1


def test_a_picture_is_squashed_by_bicubic_without_antialias_where_diffusers_smooths() -> None:
    given = pictures.squashed(FRAME, 80, 48)
    torch.testing.assert_close(given, F.interpolate(plain(FRAME), (48, 80), mode="bicubic"), atol=1e-5, rtol=1e-5)
    stock = VideoProcessor(vae_scale_factor=8).preprocess(Image.fromarray(FRAME[0]), height=48, width=80)
    assert (given - stock).abs().mean() > 0.1
    assert given.max() > 1


@pytest.mark.parametrize(("width", "height"), [(80, 80), (32, 96)])
def test_what_is_far_off_the_aspect_is_cropped_in_the_middle_first(width, height) -> None:
    given = pictures.squashed(FRAME, width, height)
    wide = round(90 * width / height)
    x = (160 - wide) // 2
    wanted = F.interpolate(plain(FRAME[:, :, x : x + wide]), (height, width), mode="bicubic")
    torch.testing.assert_close(given, wanted, atol=1e-5, rtol=1e-5)


def test_a_first_latent_frame_is_covered_by_lanczos_and_cut() -> None:
    given = pictures.covering(FRAME[0], 64, 64)
    resized = np.array(Image.fromarray(FRAME[0]).resize((round(160 * 64 / 90), 64), Image.Resampling.LANCZOS))
    x = (resized.shape[1] - 64) // 2
    torch.testing.assert_close(given, plain(resized[None, :, x : x + 64]), atol=1e-6, rtol=1e-6)


def test_a_clip_is_covered_in_bytes_by_antialiased_bicubic() -> None:
    given = pictures.clip_covering(FRAME, 45, 45)
    small = F.interpolate(torch.from_numpy(FRAME).permute(0, 3, 1, 2), (45, 80), mode="bicubic", antialias=True)
    torch.testing.assert_close(given, small[:, :, :, 17:62] / 127.5 - 1)
    assert torch.equal(pictures.clip_covering(FRAME, 160, 90), plain(FRAME))


def test_a_reference_is_whole_on_a_white_canvas() -> None:
    given = pictures.on_canvas(FRAME[0], 64, 96)
    inner = F.interpolate(plain(FRAME), (36, 64), mode="bilinear", align_corners=False)
    torch.testing.assert_close(given[:, :, 30:66], inner, atol=1e-5, rtol=1e-5)
    assert (given[:, :, :30] == 1).all() and (given[:, :, 66:] == 1).all()
    assert pictures.on_canvas(FRAME[0], 160, 90).shape == (1, 3, 90, 160)


def test_masks_are_black_or_white_and_a_cells_pixels_are_its_channels() -> None:
    grey = np.zeros((5, 16, 32, 3), np.uint8)
    grey[:, :8, :8] = 140
    grey[3, 5, 20] = 255
    mask = pictures.mask_of(grey, 32, 16)
    assert mask.unique().tolist() == [0, 1] and mask[0].sum() == 64
    cells = mask_cells(mask)
    assert cells.shape == (1, 64, 2, 2, 4)
    assert (cells[0, :, :, 0, 0] == 1).all()
    assert cells[0, 5 * 8 + 4, :, 0, 2].tolist() == [0, 1]


def test_a_short_clip_rests_on_its_last_frame() -> None:
    clip = np.arange(3, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    assert fill(clip, 5)[:, 0, 0, 0].tolist() == [0, 1, 2, 2, 2]
    assert fill(clip, 2)[:, 0, 0, 0].tolist() == [0, 1]
