"""What only this family decides about a run: the options of its variants and recipes, typed. Plain data, no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from praxino.plain import from_plain, to_plain


@dataclass(frozen=True)
class Settings:
    """The family's part of what decides the pixels. Every field travels in the recipe's options."""

    num_layers: int = 28
    """Blocks of the transformer."""
    spatial_ratio: int = 32
    """Pixels that one latent stands for, along a side."""
    temporal_ratio: int = 8
    """Frames that one latent stands for (the first stands for one)."""
    causal_rope: bool = True
    """Whether time positions account for the first latent standing for a single frame."""
    max_text_tokens: int = 256
    image_preparation: Literal["lightricks", "plain", "sticker"] = "lightricks"
    """lightricks: crop, blur 3x3, H.264 at crf 29, bilinear; plain: crop and an antialiased resize; sticker: plain,
    but a thing that fills its picture gets room around it first."""
    image_noise: float = 0.15
    """Noise added to firmly held tokens before each step, times t squared."""
    decode_timestep: float = 0.05
    decode_noise: float = 0.025
    """Share of noise mixed into the latents before decoding; both only where the VAE is conditioned on a timestep."""
    tone_map: float = 0.0
    """Compression of extreme latents before decoding, 0 to 1."""


FIELDS = tuple(field.name for field in dataclasses.fields(Settings))


def to_options(settings: Settings, **more: Any) -> dict[str, Any]:
    """Options of a variant: the settings and what else it carries."""
    return {**to_plain(settings), **more}


def from_options(options: Mapping[str, Any]) -> Settings:
    """The settings among a variant's or recipe's options."""
    return from_plain(Settings, {name: options[name] for name in FIELDS if name in options})
