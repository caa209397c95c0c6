"""What only this family decides about a run: the options of its variants and recipes, typed. Plain data, no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from praxino.plain import from_plain, to_plain

Kind = Literal["words", "picture", "first-last", "latent", "vace"]
"""words: from words alone; picture: 4 mask and 16 picture channels beside the latents, with CLIP's features in 2.1;
first-last: the same of two pictures; latent: a picture is the first latent frame itself, whose tokens stand at time 0;
vace: a second stack of blocks reads frames, masks and references."""

LATENT_KIND_CHANNELS = 48
"""Of Wan 2.2's own VAE: what tells a transformer of the kind "latent"."""
TEXT_TOKENS = 512
"""What UMT5 reads of a prompt, and to how many the transformer's text is filled up with zeros."""


@dataclass(frozen=True)
class Settings:
    """The family's part of what decides the pixels. Every field travels in the recipe's options."""

    kind: Kind = "words"
    shift: float = 5.0
    """How far the noise levels are shifted towards noise."""
    small_shift: float = 0.0
    """The shift up to 480 x 832 pixels; 0 where it is the same."""
    boundary: float = 0.0
    """From this noise level up the first of two transformers is used; 0 where there is one."""
    num_layers: int = 40
    lora_blocks: str = ""
    """Patterns of the layers that LoRAs are laid over, by comma; empty means all."""


FIELDS = tuple(field.name for field in dataclasses.fields(Settings))


def to_options(settings: Settings, **more: Any) -> dict[str, Any]:
    """Options of a variant: the settings and what else it carries."""
    return {**to_plain(settings), **more}


def from_options(options: Mapping[str, Any]) -> Settings:
    """The settings among a variant's or recipe's options."""
    return from_plain(Settings, {name: options[name] for name in FIELDS if name in options})
