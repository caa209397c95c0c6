"""Mixing pictures and clips into the tokens that denoising starts from, as the authors do it.

A condition at frame 0 takes the place of the first tokens, by its strength. Any other single frame becomes extra
tokens in front, at its own place in time, dropped at the end. A clip that begins later is split: its first two latent
frames become extra tokens, the rest takes the place of the clip's own. A clip to follow (in-context LoRAs) becomes
extra tokens before all others, in the places of the frames that it is about.
Sources: Lightricks/LTX-Video at 5260738, pipeline_ltx_video.py (prepare_conditioning); Lightricks/LTX-Video-Trainer,
src/ltxv_trainer/ltxv_pipeline.py (reference_video).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from praxino.errors import UserError
from praxino.families.ltx_video.positions import Shape, coordinates, pack
from praxino.families.ltx_video.settings import Settings
from praxino.sampling.noise import NoiseSource

PREFIX_LATENT_FRAMES = 2
"""Latent frames of a clip that begins later that become extra tokens: they are encoded unlike those in the middle."""


@dataclass(frozen=True)
class Held:
    """An encoded condition."""

    latents: Tensor
    """(1, C, f, H, W), normalised."""
    frame: int
    """The pixel frame that it begins at."""
    strength: float
    in_context: bool = False
    """Whether it is followed, not shown."""


@dataclass(frozen=True)
class Conditioned:
    """Tokens with conditions mixed in."""

    tokens: Tensor
    """(1, N, C), extra tokens first."""
    coords: Tensor
    """(1, 3, N) pixel frame, y, x."""
    strengths: Tensor | None
    """(1, N), None without conditions."""


def trimmed_length(num_given: int, frame: int, num_frames: int, settings: Settings) -> int:
    """How many of a clip's frames can be held from `frame` on: as many as fit, a multiple of the stride plus 1."""
    fitting = min(num_given, num_frames - frame)
    return (fitting - 1) // settings.temporal_ratio * settings.temporal_ratio + 1


def check_place(frame: int, length: int, num_frames: int, settings: Settings) -> None:
    """Whether a condition of `length` frames can be held from `frame` on.

    Raises:
        UserError: it begins outside the clip, or is a clip that begins between the latent frames.
    """
    if not 0 <= frame < num_frames:
        raise UserError(f"a picture is to be held at frame {frame}; the clip's frames are 0 to {num_frames - 1}.")
    if length > 1 and frame % settings.temporal_ratio:
        nearest = frame // settings.temporal_ratio * settings.temporal_ratio
        raise UserError(
            f"a clip is to be held from frame {frame} on; allowed are multiples of {settings.temporal_ratio}, "
            f"such as {nearest} and {nearest + settings.temporal_ratio}."
        )


def mix(latents: Tensor, held: list[Held], settings: Settings, noise: NoiseSource) -> Conditioned:
    """Lay the conditions over the noise `latents` (1, C, F, H, W)."""
    shape: Shape = (latents.shape[2], latents.shape[3], latents.shape[4])
    own = coordinates(shape, settings).to(latents.device)
    if not held:
        return Conditioned(pack(latents), own, None)
    latents, mask = latents.clone(), torch.zeros_like(latents[:, :1])
    extras: list[tuple[Tensor, Tensor, Tensor]] = []
    followed: list[tuple[Tensor, Tensor, Tensor]] = []
    for condition in held:
        latent_frame = condition.frame // settings.temporal_ratio
        if condition.in_context:
            followed.append(_extra(condition.latents, condition, settings, noise))
        elif condition.frame == 0:
            _put(latents, mask, condition.latents, 0, condition.strength)
        elif condition.latents.shape[2] == 1:
            extras.append(_extra(condition.latents, condition, settings, noise))
        else:
            prefix, rest = condition.latents.tensor_split([PREFIX_LATENT_FRAMES], dim=2)
            _put(latents, mask, rest, latent_frame + PREFIX_LATENT_FRAMES, condition.strength)
            extras.append(_extra(prefix, condition, settings, noise))
    parts = [*followed, *extras, (pack(latents), own, pack(mask)[..., 0])]
    tokens, coords, strengths = zip(*parts, strict=True)
    return Conditioned(torch.cat(tokens, 1), torch.cat(coords, 2), torch.cat(strengths, 1))


def _put(latents: Tensor, mask: Tensor, given: Tensor, first: int, strength: float) -> None:
    """Mix `given` into the latents in place, from latent frame `first` on, and note how firmly it is held."""
    place = slice(first, first + given.shape[2])
    latents[:, :, place] = torch.lerp(latents[:, :, place], given, strength)
    mask[:, :, place] = strength


def _extra(given: Tensor, condition: Held, settings: Settings, noise: NoiseSource) -> tuple[Tensor, Tensor, Tensor]:
    """Extra tokens (1, n, C), their coordinates (1, 3, n) and strengths (1, n)."""
    fresh = noise.draw(tuple(given.shape)).to(given)
    tokens = pack(torch.lerp(fresh, given, condition.strength))
    shape: Shape = (given.shape[2], given.shape[3], given.shape[4])
    coords = coordinates(shape, settings, condition.frame).to(given.device)
    return tokens, coords, torch.full(tokens.shape[:2], condition.strength, device=given.device)
