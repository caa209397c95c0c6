"""What only this family decides about a run: the options of its variants and recipes, typed. Plain data, no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from praxino.plain import from_plain, to_plain

Kind = Literal["plain", "fill", "control", "kontext", "redux"]
"""plain: from words, or from a noised picture; fill: draws what a mask covers; control: draws after a map; kontext:
edits a picture by instruction; redux: draws in the likeness of a picture, with the weights of another checkpoint."""


@dataclass(frozen=True)
class Settings:
    """The family's part of what decides the pixels. Every field travels in the recipe's options."""

    kind: Kind = "plain"
    max_text_tokens: int = 512
    """What T5 reads, its end mark included; CLIP always reads 77."""
    true_guidance: float = 1.0
    """Classifier-free guidance over the negative prompt, beside the distilled guidance; 1 is off."""
    lora_blocks: str = ""
    """Patterns of the modules that LoRAs are laid over, by comma; empty means all."""


FIELDS = tuple(field.name for field in dataclasses.fields(Settings))


def to_options(settings: Settings, **more: Any) -> dict[str, Any]:
    """Options of a variant: the settings and what else it carries."""
    return {**to_plain(settings), **more}


def from_options(options: Mapping[str, Any]) -> Settings:
    """The settings among a variant's or recipe's options."""
    return from_plain(Settings, {name: options[name] for name in FIELDS if name in options})
