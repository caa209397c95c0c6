"""Owns drawing clips with a model in training: a few Euler steps over batches of captions, for scores and sheets.

Must not know where captions come from. Inference proper is the engine's; this one is for many clips at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from numpy.typing import NDArray
from torch import Tensor

from praxino.training.flow import Denoiser, LatentGrid
from praxino.training.text import TokenBatch
from praxino.training.vae import to_video


@dataclass(frozen=True)
class SamplePlan:
    """How to draw: `sigmas` start at 1 and leave out the final 0; `guidance` 1 means a single pass a step."""

    sigmas: Sequence[float]
    guidance: float = 1.0
    seed: int = 0
    batch: int = 32


@dataclass(frozen=True)
class Given:
    """First and last frames given, (B, 1, S, S, 3) uint8 each."""

    first: NDArray[np.uint8] | None = None
    last: NDArray[np.uint8] | None = None


def shifted_sigmas(steps: int, shift: float) -> list[float]:
    """Even steps from 1, bent towards noise by `shift` (Esser et al. 2024, arXiv:2403.03206, eq. 23)."""
    even = [1 - i / steps for i in range(steps)]
    return [round(shift * s / (1 + (shift - 1) * s), 4) for s in even]


def encode_tokens(vae: AutoencoderKLLTXVideo, video: Tensor, *, normalised: bool = True) -> Tensor:
    """(B, 3, F, H, W) in -1..1 -> latent tokens (B, T, K), as the transformer sees them where `normalised`."""
    latents = vae.encode(video, return_dict=False)[0].mode().float()
    if normalised:
        latents = (latents - _channels(vae.latents_mean)) / _channels(vae.latents_std)
    return latents.flatten(2).mT


def decode_tokens(vae: AutoencoderKLLTXVideo, tokens: Tensor, grid: LatentGrid) -> NDArray[np.uint8]:
    """Normalised latent tokens (B, T, K) -> frames (B, F, H, W, 3) uint8."""
    latents = tokens.mT.unflatten(2, (-1, grid.height, grid.width))
    latents = latents * _channels(vae.latents_std) + _channels(vae.latents_mean)
    video = vae.decode(latents, return_dict=False)[0].float().clamp(-1, 1)
    return ((video + 1) * 127.5).round().byte().permute(0, 2, 3, 4, 1).cpu().numpy()


def _channels(values: Tensor) -> Tensor:
    return values.view(1, -1, 1, 1, 1)


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    vae: AutoencoderKLLTXVideo,
    text: TokenBatch,
    null: TokenBatch,
    grid: LatentGrid,
    plan: SamplePlan,
    given: Given = Given(),
) -> NDArray[np.uint8]:
    """Draw a clip for each caption; returns (B, F, H, W, 3) uint8."""
    frames = []
    for first in range(0, len(text.ids), plan.batch):
        part = slice(first, first + plan.batch)
        some = TokenBatch(text.ids[part], text.mask[part])
        pictures = [None if p is None else to_video(p[part]).to(vae.device) for p in (given.first, given.last)]
        latents = [None if p is None else encode_tokens(vae, p) for p in pictures]
        chance = torch.Generator().manual_seed(plan.seed * 100_003 + first)
        noise = torch.randn(len(some.ids), grid.frames * grid.cells, len(vae.latents_mean), generator=chance)
        tokens = _integrate(denoiser, noise.to(vae.device), (some.to(vae.device), null), grid, plan, latents)
        frames.append(decode_tokens(vae, tokens, grid))
    return np.concatenate(frames)


def _integrate(
    denoiser: Denoiser,
    x: Tensor,
    texts: tuple[TokenBatch, TokenBatch],
    grid: LatentGrid,
    plan: SamplePlan,
    given: list[Tensor | None],
) -> Tensor:
    text, null = texts
    first, last = given
    if plan.guidance != 1:
        empty = TokenBatch(null.ids.expand(len(x), -1), null.mask.expand(len(x), -1)).to(x.device)
        text = TokenBatch(torch.cat([text.ids, empty.ids]), torch.cat([text.mask, empty.mask]))
    states = denoiser.read(text, masked=True)
    coordinates = grid.coordinates(causal=True).to(x.device)
    if last is not None:
        coordinates = torch.cat([grid.last_frame_coordinates().to(x.device), coordinates], 1)
    if first is not None:
        x[:, : grid.cells] = first
    for sigma, following in zip(plan.sigmas, [*plan.sigmas[1:], 0.0], strict=True):
        t = torch.full(x.shape[:2], sigma, device=x.device)
        if first is not None:
            t[:, : grid.cells] = 0
        shown, times = x, t
        if last is not None:
            shown, times = torch.cat([last, x], 1), torch.cat([torch.zeros_like(last[..., 0]), t], 1)
        if plan.guidance != 1:
            shown, times = torch.cat([shown, shown]), torch.cat([times, times])
        v = denoiser(shown, times, text, states, coordinates)[:, -x.shape[1] :].float()
        if plan.guidance != 1:
            named, nameless = v.chunk(2)
            v = nameless + plan.guidance * (named - nameless)
        x = x + (following - sigma) * v
        if first is not None:
            x[:, : grid.cells] = first
    return x
