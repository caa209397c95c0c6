"""The encoder as one product of matrices, against the stock class that holds the same map."""

import pytest
import torch

from praxino.training.affine import AffineEncoder
from praxino.training.sample import encode_tokens
from praxino.training.vae import AutoencoderSize, build, start_from_principal_components, to_video

SIZE = AutoencoderSize(latent_channels=24, encoder_width=32, decoder_wide=32, decoder_narrow=16, decoder_layers=1)


@pytest.fixture(scope="module")
def vae(blob_clips):
    torch.manual_seed(0)
    vae = build(SIZE)
    start_from_principal_components(vae, to_video(blob_clips), encoder_learns=False)
    chance = torch.Generator().manual_seed(1)
    vae.latents_mean.copy_(torch.randn(24, generator=chance))
    vae.latents_std.copy_(torch.rand(24, generator=chance) + 0.5)
    return vae


@pytest.mark.parametrize("frames", [1, 9])
@torch.no_grad()
def test_it_encodes_as_the_stock_class_does(vae, blob_clips, frames):
    video = to_video(blob_clips)[:, :, :frames]
    expected = encode_tokens(vae, video)
    found = AffineEncoder(vae)(video)
    assert found.shape == expected.shape == (12, 16 * (1 + frames // 2), 24)
    assert (found - expected).abs().max() < 0.004 * expected.std()
    assert expected.std() > 0.2


@torch.no_grad()
def test_it_stays_so_in_half_precision(vae, blob_clips):
    """As the folder holds it."""
    video = to_video(blob_clips)
    expected = AffineEncoder(vae)(video)
    stored = build(SIZE)
    stored.load_state_dict({name: value.half().float() for name, value in vae.state_dict().items()})
    assert (encode_tokens(stored, video) - expected).abs().max() < 0.03 * expected.std()
