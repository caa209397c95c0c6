import numpy as np
import torch

from praxino.families._pixels import from_uint8, to_uint8


def test_pixels_are_rounded_down_and_cut_off():
    pixels = torch.tensor([-2.0, -1.0, 0.0, 0.9999, 1.0, 2.0]).view(1, 6, 1, 1).expand(3, -1, -1, -1)
    assert to_uint8(pixels)[:, 0, 0, 0].tolist() == [0, 0, 127, 254, 255, 255]


def test_every_byte_comes_back_from_read_only_frames():
    frames = np.arange(256 * 3, dtype=np.uint8).reshape(1, 16, 16, 3)
    frames.flags.writeable = False
    pixels = from_uint8(frames)
    assert pixels.shape == (1, 3, 16, 16)
    assert pixels.dtype == torch.float32
    assert torch.equal((pixels.double() * 255).round()[0, 1], torch.from_numpy(frames[0, ..., 1].astype(np.float64)))
    assert np.abs(to_uint8((pixels * 2 - 1).transpose(0, 1)).astype(int) - frames).max() <= 1
