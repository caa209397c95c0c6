"""Owns what several families share of teaching a network: clean latents noised to a time, and what it should answer.

Knows tensors and a diffusion's noise levels, and no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def pixels_of(frames: Any) -> Tensor:
    """Frames (F, H, W, 3) uint8 as (F, 3, H, W) float32 in [-1, 1]."""
    return torch.tensor(frames).movedim(-1, 1).float() / 127.5 - 1


def diffused(config: Mapping[str, Any], clean: Tensor, noise: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
    """Latents (B, ...) noised to whole timesteps (B,), and the target of a scheduler's config: noise, v or the latents.

    Source: Ho et al. 2020 (arXiv:2006.11239), equation 4; v: Salimans and Ho 2022 (arXiv:2202.00512), section 4.
    """
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    scheduler: Any = DDPMScheduler.from_config(dict(config))
    targets = {"epsilon": noise, "v_prediction": scheduler.get_velocity(clean, noise, timesteps), "sample": clean}
    return scheduler.add_noise(clean, noise, timesteps), targets[scheduler.config.prediction_type]


def timesteps_of(uniform: Tensor, config: Mapping[str, Any]) -> Tensor:
    """Numbers in [0, 1) as whole timesteps, each as often as the others."""
    return (uniform * config["num_train_timesteps"]).long()


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
