"""Owns what several families share of teaching a network: clean latents noised to a time, and what it should answer.

Knows tensors and a diffusion's noise levels, and no network.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from praxino.training.tuning.settings import Tuning

if TYPE_CHECKING:
    from praxino.training.tuning.trainee import Batch


def pixels_of(frames: Any) -> Tensor:
    """Frames (F, H, W, 3) uint8 as (F, 3, H, W) float32 in [-1, 1]."""
    return torch.tensor(frames).movedim(-1, 1).float() / 127.5 - 1


@dataclass(frozen=True)
class Diffused:
    """Latents on their way to noise, by a scheduler's config."""

    noisy: Tensor
    """(B, ...)."""
    target: Tensor
    """Of the same shape: noise, v or the latents."""
    snr: Tensor
    """(B,), the signal's power over the noise's."""
    predicts: str
    """What the target is, in the config's words."""


def diffused(config: Mapping[str, Any], clean: Tensor, noise: Tensor, timesteps: Tensor) -> Diffused:
    """Latents (B, ...) noised to whole timesteps (B,), and what is to be answered.

    Source: Ho et al. 2020 (arXiv:2006.11239), equation 4; v: Salimans and Ho 2022 (arXiv:2202.00512), section 4.
    """
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    scheduler: Any = DDPMScheduler.from_config(dict(config))
    targets = {"epsilon": noise, "v_prediction": scheduler.get_velocity(clean, noise, timesteps), "sample": clean}
    kept, predicts = scheduler.alphas_cumprod.to(timesteps.device)[timesteps], scheduler.config.prediction_type
    noisy = scheduler.add_noise(clean, noise, timesteps)
    return Diffused(noisy, targets[predicts], kept / (1 - kept), predicts)


@dataclass(frozen=True)
class Times:
    """How a family draws its noise levels, from data, 0, to noise, 1, unless told otherwise."""

    kind: Literal["uniform", "logit-normal", "mode"] = "uniform"
    mean: float = 0.0
    std: float = 1.0
    scale: float = 1.29
    shift: float = 1.0
    uniform_share: float = 0.0
    """Share of examples whose time is drawn uniformly and not shifted."""

    def told(self, tuning: Tuning) -> Times:
        """The same with what a run's settings say."""
        shift = tuning.time_shift or self.shift
        if tuning.times == "own":
            return dataclasses.replace(self, shift=shift)
        return Times(tuning.times, tuning.logit_mean, tuning.logit_std, tuning.mode_scale, shift)


def times(batch: Batch, device: torch.device, own: Times) -> Tensor:
    """Times (B,) by chance."""
    found = shifted(unshifted(batch, device, own), own.told(batch.tuning).shift)
    share = own.told(batch.tuning).uniform_share
    if not share:
        return found
    flat, choice = batch.uniform(device), batch.uniform(device)
    return torch.where(choice < share, flat, found)


def unshifted(batch: Batch, device: torch.device, own: Times) -> Tensor:
    """Numbers in [0, 1], (B,), by chance.

    Source: Esser et al. 2024 (arXiv:2403.03206), section 3.1, logit-normal and mode sampling. As there, 1 is noise.
    """
    wanted = own.told(batch.tuning)
    if wanted.kind == "logit-normal":
        return torch.sigmoid(wanted.mean + wanted.std * batch.normal(device))
    drawn = batch.uniform(device)
    if wanted.kind == "uniform":
        return drawn
    return 1 - drawn - wanted.scale * (torch.cos(math.pi / 2 * drawn) ** 2 - 1 + drawn)


def timesteps(batch: Batch, device: torch.device, num: int) -> Tensor:
    """Whole timesteps (B,) of `num` of a diffusion by chance; each as often as the others unless told otherwise."""
    return (unshifted(batch, device, Times()) * num).long().clamp(max=num - 1)


def offset(batch: Batch, noise: Tensor, own: float = 0.0) -> Tensor:
    """Noise (B, C, ...) of which each channel is moved as a whole, by a deviation that is the family's `own` or told.

    Source: Guttenberg 2023, "Diffusion with Offset Noise"; huggingface/diffusers, examples/text_to_image.
    """
    deviation = batch.tuning.noise_offset or own
    if not deviation:
        return noise
    return noise + deviation * batch.noise(noise[(slice(None), slice(None), *[slice(1)] * (noise.dim() - 2))])


def shifted(t: Tensor, shift: float) -> Tensor:
    """Times shifted towards noise (Esser et al. 2024, arXiv:2403.03206, equation 23)."""
    return shift * t / (1 + (shift - 1) * t)


def flowed(clean: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Latents (B, ...) at times (B,) on their way to noise, x_t = (1 - t) x + t e, and the velocity e - x.

    Source: Lipman et al. 2023 (arXiv:2210.02747).
    """
    share = t.view(-1, *[1] * (clean.dim() - 1))
    return (1 - share) * clean + share * noise, noise - clean


def sampled(posterior: Any, noise: Tensor) -> Tensor:
    """What a VAE makes of pixels, drawn from its posterior, float32."""
    mean, deviation = posterior.mean.float(), posterior.std.float()
    return mean + deviation * noise.to(mean)
