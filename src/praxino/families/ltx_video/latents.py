"""Between pixels and normalised latents: the VAE, as the authors use it. Knows no tokens and no conditions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from praxino.families.ltx_video.settings import Settings
from praxino.sampling.noise import NoiseSource


def encode(vae: Any, pixels: Tensor, noise: NoiseSource) -> Tensor:
    """Pixels (1, 3, F, H, W) in [-1, 1] as normalised latents (1, C, f, h, w) float32, sampled from the posterior."""
    posterior = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist
    mean, deviation = posterior.mean.float(), posterior.std.float()
    latents = mean + deviation * noise.draw(tuple(mean.shape)).to(mean)
    return (latents - _per_channel(vae.latents_mean)) / _per_channel(vae.latents_std)


def decode(vae: Any, latents: Tensor, settings: Settings, noise: NoiseSource, size: tuple[int, int]) -> np.ndarray:
    """Normalised latents (1, C, f, h, w) as frames (F, H, W, 3) uint8 of `size` (width, height), rounded down.

    Noise is mixed in and tones are mapped before the latents are de-normalised, as in the original.
    """
    timestep = None
    if vae.config.timestep_conditioning:
        fresh = noise.draw(tuple(latents.shape)).to(latents)
        latents = latents * (1 - settings.decode_noise) + fresh * settings.decode_noise
        timestep = torch.tensor([settings.decode_timestep], device=vae.device, dtype=vae.dtype)
    latents = tone_map(latents, settings.tone_map)
    latents = latents * _per_channel(vae.latents_std) + _per_channel(vae.latents_mean)
    with _global_noise(vae.device, noise):
        pixels = vae.decode(latents.to(vae.device, vae.dtype), timestep, return_dict=False)[0]
    return to_uint8(pixels[0], size)


def tone_map(latents: Tensor, compression: float) -> Tensor:
    """Draw extreme values in, by `compression` from 0 to 1 (Lightricks/LTX-Video at 5260738, tone_map_latents)."""
    if compression == 0:
        return latents
    factor = 0.75 * compression
    return latents * (1 - 0.8 * factor * torch.sigmoid(4 * factor * (latents.abs() - 1)))


def to_uint8(pixels: Tensor, size: tuple[int, int]) -> np.ndarray:
    """(3, F, H, W) in [-1, 1] as (F, height, width, 3), stretched bilinearly where they differ, rounded down."""
    frames = (pixels.float() / 2 + 0.5).clamp(0, 1).transpose(0, 1)
    if frames.shape[-2:] != size[::-1]:
        frames = F.interpolate(frames, size=size[::-1], mode="bilinear", align_corners=False)
    return (frames * 255).byte().permute(0, 2, 3, 1).cpu().numpy()


@contextmanager
def _global_noise(device: torch.device, noise: NoiseSource) -> Iterator[None]:
    """Decide torch's global noise for a while: the decoder of 0.9.1 injects some and takes no generator."""
    seed = int(noise.draw((1,)).view(torch.int32).abs())
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _per_channel(values: Tensor) -> Tensor:
    return values.float().view(1, -1, 1, 1, 1)
