"""The closed-form start of the autoencoder, on clips that need no font."""

import dataclasses

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo

from praxino.training import vae as subject
from praxino.training.loop import LoopSettings
from praxino.training.vae import (
    AutoencoderSize,
    AutoencoderTraining,
    Components,
    autoencoder_loss,
    build,
    causal_blocks,
    fine_tune,
    patchify,
    psnr_db,
    start_from_principal_components,
    to_video,
)

TINY = AutoencoderSize(latent_channels=24, encoder_width=32, decoder_wide=32, decoder_narrow=16, decoder_layers=1)


@pytest.fixture(scope="module")
def video(blob_clips):
    return to_video(blob_clips)


def started(size, video):
    torch.manual_seed(0)
    vae = build(size)
    start_from_principal_components(vae, video)
    return vae


def linear(vae, video):
    """What the start stands for: both projections and back, in float64, with the decoder's share of the components."""
    video = video.double()
    width, latents = vae.config.block_out_channels[0], vae.config.latent_channels
    narrow = vae.config.decoder_block_out_channels[0] // vae.config.upsample_factor[0]
    kept = narrow - max(1, narrow // 20) - 3 * narrow // 20
    patches = patchify(video).permute(0, 2, 3, 4, 1)
    low = Components.of(patches.flatten(0, 3), width)
    blocks = causal_blocks(low.project(patches).permute(0, 4, 1, 2, 3))
    high = Components.of(blocks.flatten(0, 3), latents)
    back = high.project(blocks) * high.scale @ high.axes.T + high.mean
    b, f, h, w, _ = back.shape
    cells = back.reshape(b, f, h, w, 2, 2, 2, width).permute(0, 1, 4, 2, 5, 3, 6, 7)
    cells = cells.reshape(b, 2 * f, 2 * h, 2 * w, width)[:, 1:, :, :, :kept]
    pixels = cells * low.scale @ low.axes[:, :kept].T + low.mean
    b, f, h, w, _ = pixels.shape
    pixels = pixels.reshape(b, f, h, w, 3, 8, 8)  # channel, column, row
    return pixels.permute(0, 4, 1, 2, 6, 3, 5).reshape(b, 3, f, 8 * h, 8 * w)


def test_patches_are_those_of_the_class(video):
    from diffusers.models.autoencoders.autoencoder_kl_ltx import LTXVideoEncoder3d

    seen = []
    encoder = LTXVideoEncoder3d(
        in_channels=3, out_channels=4, block_out_channels=(8,), down_block_types=("LTXVideoDownBlock3D",),
        spatio_temporal_scaling=(True,), layers_per_block=(0, 0), downsample_type=("conv",), patch_size=8,
        patch_size_t=1,
    )  # fmt: skip
    encoder.conv_in.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    with torch.no_grad():
        encoder(video[:1])
    torch.testing.assert_close(seen[0], patchify(video[:1]))


def test_a_stock_autoencoder_of_the_stated_strides():
    vae = build(TINY)
    assert type(vae) is AutoencoderKLLTXVideo
    assert (vae.spatial_compression_ratio, vae.temporal_compression_ratio) == (16, 2)


def test_components_are_those_of_a_float64_svd():
    rows = torch.randn(200, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64) @ torch.randn(
        12, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    found = Components.of(rows, 5)
    _, s, vt = torch.linalg.svd(rows - rows.mean(0), full_matrices=False)
    torch.testing.assert_close(found.deviation, s[:5] / 200**0.5)
    torch.testing.assert_close((found.axes.T @ vt[:5].T).abs(), torch.eye(5, dtype=torch.float64), atol=1e-9, rtol=0)
    assert found.project(rows).square().mean().item() == pytest.approx(1.0)


def test_the_start_reconstructs_far_better_than_mean_colours(video):
    vae = started(TINY, video)
    mean = video.mean((-1, -2), keepdim=True).expand_as(video)
    baseline = -10 * torch.log10(((mean - video) / 2).square().mean()).item()
    assert psnr_db(vae, video) > baseline + 6


@pytest.mark.parametrize("layers", [0, 2])
@torch.no_grad()
def test_the_nonlinear_path_is_transparent(video, monkeypatch, layers):
    """With the random remainders silenced and the constant large, the network is the linear projection itself."""

    def cleared(convolution):
        convolution.conv.weight.zero_()
        convolution.conv.bias.zero_()
        return convolution.conv

    monkeypatch.setattr(subject, "CONSTANT", 30_000.0)
    monkeypatch.setattr(subject, "_cleared", cleared)
    vae = started(dataclasses.replace(TINY, decoder_layers=layers), video).double()
    posterior = vae.encode(video[:4].double(), return_dict=False)[0]
    out = vae.decode(posterior.mode(), return_dict=False)[0]
    torch.testing.assert_close(out, linear(vae, video)[:4], atol=1e-3, rtol=0)
    assert posterior.logvar.mean().item() == pytest.approx(subject.LOG_VARIANCE, abs=0.1)


@torch.no_grad()
def test_latents_are_of_one_scale(video):
    z = started(TINY, video).encode(video, return_dict=False)[0].mode()
    assert z.shape == (12, 24, 5, 4, 4)
    assert z.square().mean((0, 2, 3, 4)).mean().sqrt().item() == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("size", [AutoencoderSize(), TINY, AutoencoderSize(8, 12, 16, 8, 1)])
def test_widths_of_any_size_start(video, size):
    assert psnr_db(started(size, video), video[:2]) > 12


def test_a_single_frame_is_a_clip_too(video):
    vae = started(TINY, video)
    assert psnr_db(vae, video[:, :, :1]) > 15


def test_the_loss_is_decided_by_the_step_and_gives_single_frames_too(blob_clips, video, monkeypatch):
    vae, shapes = started(TINY, video), []
    encode = vae.encode
    monkeypatch.setattr(vae, "encode", lambda x, **more: (shapes.append(x.shape[2]), encode(x, **more))[1])
    loss = autoencoder_loss(vae, blob_clips, AutoencoderTraining(batch=2, still_every=2), vae.device)
    assert loss(0).item() == loss(0).item() != loss(2).item()
    loss(1)
    assert shapes == [9, 9, 9, 1]


@pytest.mark.parametrize("encoder_learns", [True, False])
def test_fine_tuning_improves_the_start(blob_clips, video, tmp_path, encoder_learns):
    vae = started(TINY, video)
    vae.encoder.requires_grad_(encoder_learns)
    latents = vae.encode(video)[0].mode()
    before = psnr_db(vae, video)
    settings = LoopSettings(0, max_steps=25, warmup_steps=5, ema_decay=0.8)
    training = AutoencoderTraining(batch=4, latent_noise=0.0, residual_lr=3e-3, kernel_lr=3e-4)
    fine_tune(vae, blob_clips, training, settings, folder=tmp_path, resume=False, on_event=lambda message: None)
    assert psnr_db(vae, video) > before + 0.1
    assert torch.equal(vae.encode(video)[0].mode(), latents) != encoder_learns
