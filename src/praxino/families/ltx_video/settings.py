"""What only this family decides about a run: the options of its variants and recipes, typed. Plain data, no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from praxino.plain import from_plain, to_plain
from praxino.recipe import GuidancePhase


@dataclass(frozen=True)
class SecondPass:
    """What a variant's second pass is sampled with: over the first one's latents, upsampled twofold."""

    sigmas: tuple[float, ...]
    guidance_phases: tuple[GuidancePhase, ...]
    upsampler: str = ""
    """Where the latent upsampler is found; "" where it lies in the model's own folder."""
    by_default: bool = False
    """Whether it is run unasked, after a first pass at two thirds of the size."""
    tone_map: float = 0.0
    """Compression of extreme latents before what it ends with is decoded, 0 to 1."""


@dataclass(frozen=True)
class Refinement:
    """How a recipe's steps are shared between two passes."""

    first_steps: int
    """Steps of the first pass, and how many of the recipe's sigmas are its; the others are the second's."""
    first_width: int
    first_height: int
    """Pixels of the first pass; the second has twice as many along each side."""
    guidance_phases: tuple[GuidancePhase, ...]
    """Of the second pass."""


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
    refinement: Refinement | None = None
    """None where there is one pass."""


FIELDS = tuple(field.name for field in dataclasses.fields(Settings))


def to_options(settings: Settings, **more: Any) -> dict[str, Any]:
    """Options of a variant: the settings and what else it carries."""
    plain = {name: value for name, value in to_plain(settings).items() if value is not None}
    return {**plain, **more}


def from_options(options: Mapping[str, Any]) -> Settings:
    """The settings among a variant's or recipe's options."""
    return from_plain(Settings, {name: options[name] for name in FIELDS if name in options})


def second_pass(options: Mapping[str, Any]) -> SecondPass | None:
    """The second pass among a variant's options, None where it has none."""
    return from_plain(SecondPass, options["second_pass"]) if "second_pass" in options else None
