"""What only this family decides about a run: the options of its variants and recipes, typed. Plain data, no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from praxino.plain import from_plain, to_plain


@dataclass(frozen=True)
class Settings:
    """The family's part of what decides the pixels and the sound. Every field travels in the recipe's options."""

    num_layers: int = 48
    """Blocks of the transformer."""
    spatial_ratio: int = 32
    """Pixels that one latent stands for, along a side."""
    temporal_ratio: int = 8
    """Frames that one latent stands for (the first stands for one)."""
    max_text_tokens: int = 1024
    cross_timestep: bool = False
    """Whether video and sound look at each other by the other's noise level (from LTX-2.3 on)."""
    modality_scale: float = 3.0
    """Guidance of the video away from what it would be without the sound; 1 is off."""
    sound_guidance: float = 7.0
    sound_stg: float = 1.0
    sound_modality_scale: float = 3.0
    sound_rescale: float = 0.3
    """The same of the sound as the guidance phase and `modality_scale` are of the video."""
    image_crf: int = 33
    """Of the H.264 frame that a picture is put through first."""
    reference_downscale: int = 1
    """How much smaller than the clip one that is followed is shown, along each side, as its LoRA was trained."""
    first_steps: int = 0
    """Steps of the first stage where a second follows; the recipe's sigmas after them are the second's."""
    keeps_first_sound: bool = True
    """Whether the sound of the first stage is kept, and the second draws none of its own."""


FIELDS = tuple(field.name for field in dataclasses.fields(Settings))


def to_options(settings: Settings, **more: Any) -> dict[str, Any]:
    """Options of a variant: the settings and what else it carries."""
    return {**to_plain(settings), **more}


def from_options(options: Mapping[str, Any]) -> Settings:
    """The settings among a variant's or recipe's options."""
    return from_plain(Settings, {name: options[name] for name in FIELDS if name in options})
