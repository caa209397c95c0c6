"""What only this family decides about a run: the options of its variants and recipes, typed. Plain data, no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from praxino.plain import from_plain, to_plain

Beside = Literal["nothing", "image", "control"]


@dataclass(frozen=True)
class Settings:
    """The family's part of what decides the pixels. Every field travels in the recipe's options."""

    beside: Beside = "nothing"
    """What the transformer takes on further channels: a first frame, or a map for every frame."""
    num_layers: int = 42
    """Blocks of the transformer."""
    shift_scale: float = 1.0
    """How far the noise schedule is shifted towards noise."""
    temporal_patch: int = 1
    """Latent frames in a token: 1, or 2 from CogVideoX1.5 on, which draws one latent frame more and drops the first."""
    max_text_tokens: int = 226
    image_resize: Literal["bicubic", "lanczos"] = "bicubic"
    """bicubic: to cover the frame, and the middle cut out; lanczos: to the frame, whose aspect is the picture's."""
    image_scaled: bool = True
    """Whether the first frame's latents are multiplied by the VAE's scaling factor."""
    levels: Literal["authors", "trailing"] = "authors"
    """authors: rescaled to end in pure noise after steps are picked; trailing: before, as diffusers' schedulers do."""
    dynamic_guidance: bool = True
    """Whether the guidance scale is that of a step, by the authors' formula, or the same throughout."""
    zero_negative: bool = True
    """Whether an empty negative prompt is zeros, or what T5 makes of it."""
    output_epsilon: float = 1e-6
    """Of the last normalisation (sat/dit_video_concat.py, FinalLayerMixin); diffusers has that of all others, 1e-5."""
    schedule_steps: int = 50
    """Steps from pure noise to the clip; a clip that is changed is run through the last of them."""


FIELDS = tuple(field.name for field in dataclasses.fields(Settings))


def to_options(settings: Settings, **more: Any) -> dict[str, Any]:
    """Options of a variant: the settings and what else it carries."""
    return {**to_plain(settings), **more}


def from_options(options: Mapping[str, Any]) -> Settings:
    """The settings among a variant's or recipe's options."""
    return from_plain(Settings, {name: options[name] for name in FIELDS if name in options})
