"""Owns the video autoencoder: a closed-form start from principal components, then fine-tuning of every weight.

Must not know text or the transformer. Videos are (B, 3, F, H, W) in -1..1; latents (B, K, 1 + (F-1)/2, H/16, W/16).

An autoencoder of this size learns almost nothing from random weights in minutes. `start_from_principal_components`
writes the PCA of video patches into the convolutions of the unmodified AutoencoderKLLTXVideo (25 dB at once): patches
of 8x8 pixels are rotated to their principal components, and one stage halves time, height and width by the PCA of
2x2x2 blocks of them. A nonlinearity is passed through as SiLU(x) - SiLU(-x) = x, or as SiLU(x) = x/2 + O(x^2) where x
is small; channels of a large constant make the RMS normalisation before it a fixed scale; and residual branches start
at zero.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from numpy.typing import NDArray
from torch import Tensor, nn

from praxino.training.dataset import lap
from praxino.training.loop import Loop, LoopSettings, OnEvent, Progress, bf16_is_fast, fast_precision, generator
from praxino.training.optimizers import Muon, adamw

PATCH = 8
CONSTANT = 60.0
"""What the constant channels hold; the larger, the more exact the start and the stiffer the fine-tuning."""
FIXED_CONSTANT = 6_000.0
"""The same for an encoder that is never trained, which need not be soft: it is then affine to about a thousandth."""
LOG_VARIANCE = -10.0


@dataclass(frozen=True)
class AutoencoderSize:
    """Widths of the autoencoder. The encoder's channels above `latent_channels` hold constants.

    The start needs latent_channels < encoder_width <= 192, decoder_wide >= latent_channels and decoder_narrow >= 8.
    """

    latent_channels: int = 144
    encoder_width: int = 152
    decoder_wide: int = 160
    decoder_narrow: int = 80
    decoder_layers: int = 3


def build(size: AutoencoderSize) -> AutoencoderKLLTXVideo:
    """Return an untrained 16x16x2 autoencoder of diffusers' unmodified class."""
    return AutoencoderKLLTXVideo(
        latent_channels=size.latent_channels,
        block_out_channels=(size.encoder_width,),
        down_block_types=("LTXVideoDownBlock3D",),
        decoder_block_out_channels=(size.decoder_wide,),
        layers_per_block=(0, 0),
        decoder_layers_per_block=(size.decoder_layers, 0),
        spatio_temporal_scaling=(True,),
        decoder_spatio_temporal_scaling=(True,),
        decoder_inject_noise=(False, False),
        downsample_type=("conv",),
        upsample_residual=(False,),
        upsample_factor=(size.decoder_wide // size.decoder_narrow,),
        patch_size=PATCH,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
        timestep_conditioning=False,
    )


@dataclass(frozen=True)
class Components:
    """A PCA: `mean` (n,), `axes` (n, k) by falling variance, `deviation` (k,).

    Coordinates are divided by `scale`, the root mean square of the deviations, so that every stage's activations
    are about 1: with larger ones, a usual learning rate undoes the start instead of refining it.
    """

    mean: Tensor
    axes: Tensor
    deviation: Tensor

    @property
    def scale(self) -> float:
        """Root mean square of the deviations."""
        return self.deviation.square().mean().sqrt().item()

    @classmethod
    def of(cls, rows: Tensor, count: int) -> "Components":
        """Fit `count` components to `rows` (N, n)."""
        mean = rows.mean(0)
        centred = rows - mean
        values, axes = torch.linalg.eigh(centred.T @ centred / len(rows))
        return cls(mean, axes.flip(1)[:, :count], values.flip(0)[:count].clamp(min=1e-12).sqrt())

    def project(self, rows: Tensor) -> Tensor:
        """Scaled coordinates of `rows` (..., n) on the axes: (..., k)."""
        return (rows - self.mean) @ self.axes / self.scale


def patchify(video: Tensor) -> Tensor:
    """(B, 3, F, H, W) -> (B, 192, F, H/8, W/8) in the class's own order: channel, column, row."""
    b, c, f, h, w = video.shape
    x = video.reshape(b, c, f, 1, h // PATCH, PATCH, w // PATCH, PATCH)
    return x.permute(0, 1, 3, 7, 5, 2, 4, 6).flatten(1, 4)


def causal_blocks(x: Tensor) -> Tensor:
    """(B, C, F, H, W), F odd -> (B, (F+1)/2, H/2, W/2, 8 C), each row a (time, row, column, channel) block."""
    x = torch.cat([x[:, :, :1], x], 2)
    b, c, f, h, w = x.shape
    x = x.reshape(b, c, f // 2, 2, h // 2, 2, w // 2, 2)
    return x.permute(0, 2, 4, 6, 3, 5, 7, 1).flatten(4)


@torch.no_grad()
def start_from_principal_components(vae: AutoencoderKLLTXVideo, video: Tensor, *, encoder_learns: bool = True) -> None:
    """Write the PCA of `video` into the weights of `vae` (see the module's docstring).

    An encoder that is not to learn is the PCA and nothing else: no random remainders, and a larger constant.
    """
    config: Any = vae.config
    patches = patchify(video).permute(0, 2, 3, 4, 1)
    low = Components.of(patches.flatten(0, 3), config.block_out_channels[0])
    blocks = causal_blocks(low.project(patches).permute(0, 4, 1, 2, 3))
    high = Components.of(blocks.flatten(0, 3), config.latent_channels)
    if not encoder_learns:
        for parameter in vae.encoder.parameters():
            parameter.zero_()
    _write_encoder(vae.encoder, low, high, CONSTANT if encoder_learns else FIXED_CONSTANT)
    _write_decoder(vae.decoder, low, high, config.decoder_block_out_channels[0] // config.upsample_factor[0])


def _cleared(convolution: Any) -> Any:
    """The wrapped convolution with its weights almost zero: spare channels must not stay alike for ever."""
    inner = convolution.conv
    inner.weight.mul_(0.02)
    inner.bias.zero_()
    return inner


def _write_encoder(encoder: Any, low: Components, high: Components, constant: float) -> None:
    latents, width = len(high.deviation), len(low.deviation)
    conv = _cleared(encoder.conv_in)
    scaled = low.axes / low.scale
    conv.weight[:, :, 2, 1, 1] += scaled.T
    conv.bias.copy_(-(low.mean @ scaled))
    conv = _cleared(encoder.down_blocks[0].downsamplers[0])
    whitened = high.axes / high.deviation
    conv.weight[:latents, :, 1:, 1:, 1:] += whitened.T.reshape(latents, 2, 2, 2, width).permute(0, 4, 1, 2, 3)
    conv.bias[:latents] = -(high.mean @ whitened)
    conv.weight[latents:] = 0
    conv.bias[latents:] = constant
    conv = _cleared(encoder.conv_out)
    # After the normalisation x is small, where SiLU(x) is x/2.
    gain = 2 * constant * math.sqrt((width - latents) / width)
    for channel in range(latents):
        conv.weight[channel, channel, 2, 1, 1] = gain * high.deviation[channel] / high.scale
    conv.weight[-1] = 0
    conv.bias[-1] = LOG_VARIANCE
    _silence_residuals(encoder)


def _write_decoder(decoder: Any, low: Components, high: Components, narrow: int) -> None:
    latents, width = len(high.deviation), len(low.deviation)
    # The strongest patch components are carried as x and -x, since they are not small.
    constants, pairs = max(1, narrow // 20), 3 * narrow // 20
    kept = narrow - constants - pairs
    conv = _cleared(decoder.conv_in)
    for channel in range(latents):
        conv.weight[channel, channel, 1, 1, 1] = 1
    conv = _cleared(decoder.up_blocks[0].upsamplers[0].conv)
    rows = (high.scale * high.axes).reshape(2, 2, 2, width, latents)[..., :kept, :].permute(3, 0, 1, 2, 4)
    bias = high.mean.reshape(2, 2, 2, width)[..., :kept].permute(3, 0, 1, 2)
    plain, mirrored = slice(0, kept * 8), slice(kept * 8, (kept + pairs) * 8)
    conv.weight[plain, :latents, 1, 1, 1] += rows.reshape(-1, latents)
    conv.bias[plain] = bias.reshape(-1)
    conv.weight[mirrored, :latents, 1, 1, 1] -= rows[:pairs].reshape(-1, latents)
    conv.bias[mirrored] = -bias[:pairs].reshape(-1)
    conv.weight[mirrored.stop :] = 0
    conv.bias[mirrored.stop :] = CONSTANT
    conv = _cleared(decoder.conv_out)
    axes = CONSTANT * math.sqrt(constants / narrow) * low.scale * low.axes
    conv.weight[:, :pairs, 1, 1, 1] += axes[:, :pairs]
    conv.weight[:, pairs:kept, 1, 1, 1] += 2 * axes[:, pairs:kept]
    conv.weight[:, kept : kept + pairs, 1, 1, 1] -= axes[:, :pairs]
    conv.bias.copy_(low.mean)
    _silence_residuals(decoder)


def _silence_residuals(part: nn.Module) -> None:
    module: Any
    for name, module in part.named_modules():
        if name.endswith("conv2"):
            module.conv.weight.zero_()
            module.conv.bias.zero_()


def to_video(frames: NDArray[np.uint8]) -> Tensor:
    """(B, F, H, W, 3) uint8 -> (B, 3, F, H, W) float32 in -1..1."""
    return torch.from_numpy(frames).permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def psnr_db(vae: AutoencoderKLLTXVideo, video: Tensor) -> float:
    """Reconstruction of `video` from its mean latents, in dB of the whole set's mean squared error."""
    errors = []
    with torch.no_grad(), fast_precision(video.device):
        for chunk in video.split(16):
            out = vae.decode(vae.encode(chunk, return_dict=False)[0].mode(), return_dict=False)[0].float().clamp(-1, 1)
            errors.append(((out - chunk) / 2).square().mean((1, 2, 3, 4)))
    return -10 * math.log10(torch.cat(errors).mean().item())


def reconstruction_loss(out: Tensor, target: Tensor) -> Tensor:
    """L1 + 2 MSE + half the L1 of spatial gradients, which keeps edges clean."""
    difference = out.float() - target
    loss = difference.abs().mean() + 2 * difference.square().mean()
    for axis in (-1, -2):
        loss = loss + 0.5 * difference.diff(dim=axis).abs().mean()
    return loss


@dataclass(frozen=True)
class AutoencoderTraining:
    """Settings of the fine-tuning. `latent_noise` is relative to each latent channel's deviation."""

    batch: int = 8
    residual_lr: float = 6e-4
    kernel_lr: float = 4e-5
    """For the kernels that hold the PCA: flat grounds make their inputs agree, so that small steps add up."""
    adamw_lr: float = 1e-4
    latent_noise: float = 0.1
    still_every: int = 8
    seed: int = 0


DECODER_TRAINING = AutoencoderTraining(batch=12, residual_lr=3e-3, kernel_lr=5e-4, adamw_lr=5e-4)
"""For the decoder alone, whose latents hold still: it bears larger steps."""


def autoencoder_loss(
    vae: AutoencoderKLLTXVideo, clips: NDArray[np.uint8], training: AutoencoderTraining, device: torch.device
) -> Callable[[int], Tensor]:
    """Return `loss(step)`: reconstruct clips, and every `still_every` steps single frames, from noisy latents."""
    places = np.arange(len(clips))

    def loss(step: int) -> Tensor:
        frames = np.stack([clips[place] for place in lap(places, step, training.batch, training.seed)])
        if step % training.still_every == training.still_every - 1:
            picks = np.random.default_rng((training.seed, step)).integers(frames.shape[1], size=(4,))
            frames = frames[:, picks].reshape(-1, 1, *frames.shape[2:])
        video = to_video(frames).to(device).contiguous(memory_format=torch.channels_last_3d)
        chance = generator(training.seed, step)
        with fast_precision(device):
            z = _encoded(vae, video)
            spread = z.detach().float().std((0, 2, 3, 4), keepdim=True)
            amount = training.latent_noise * torch.rand(len(z), 1, 1, 1, 1, generator=chance).square()
            noise = torch.randn(z.shape, generator=chance) * amount
            out = vae.decode(z + noise.to(device) * spread, return_dict=False)[0]
        return reconstruction_loss(out, video)

    return loss


def _encoded(vae: AutoencoderKLLTXVideo, video: Tensor) -> Tensor:
    """Mean latents, with a graph only where the encoder learns."""
    with torch.set_grad_enabled(any(p.requires_grad for p in vae.encoder.parameters())):
        return vae.encode(video, return_dict=False)[0].mode()


def fine_tune(
    vae: AutoencoderKLLTXVideo,
    clips: NDArray[np.uint8],
    training: AutoencoderTraining,
    settings: LoopSettings,
    *,
    folder: Path,
    resume: bool,
    on_event: OnEvent,
    stopped: Callable[[], bool] = lambda: False,
) -> Progress:
    """Train every weight of `vae` that requires a gradient on `clips` (N, F, S, S, 3), as `Loop.run` does."""
    device = vae.device
    named = [(name, p) for name, p in vae.named_parameters() if p.requires_grad]
    kernels = [(name, p) for name, p in named if p.dim() == 5]
    precision = torch.bfloat16 if bf16_is_fast(device) else torch.float32
    optimizers = [
        Muon([p for name, p in kernels if ".resnets." in name], training.residual_lr, dtype=precision),
        adamw([p for name, p in kernels if ".resnets." not in name], training.kernel_lr),
        adamw([p for _, p in named if p.dim() != 5], training.adamw_lr),
    ]
    loss = autoencoder_loss(vae, clips, training, device)
    loop = Loop(vae, optimizers, loss, settings, folder=folder, on_event=on_event)
    progress = loop.run(resume=resume, stopped=stopped)
    if progress.fraction(settings) >= 1:
        # It may have been stopped at its very last step, where the averages are not yet used.
        loop.use_ema()
    return progress
