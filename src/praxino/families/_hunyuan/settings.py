"""What only these families decide about a run: the options of their variants and recipes, typed. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from praxino.plain import from_plain, to_plain

Kind = Literal["text", "token-replace", "latent-concat"]
"""What the transformer is conditioned on. text: words alone; token-replace: the first latent frame is the picture's;
latent-concat: the picture's latents and a mask on channels of their own."""
Motion = Literal["stable", "dynamic"]
"""stable: the noise has a trace of the picture in it; dynamic: plain noise, and more steps spent on it."""

HIDDEN_FRAMES = 4
"""Frames that latent-concat draws at the beginning and leaves away."""


@dataclass(frozen=True)
class Settings:
    """The part of a run that decides pixels and has no field of its own in a recipe."""

    kind: Kind = "text"
    motion: Motion = "stable"
    """Of a picture that is set in motion."""
    embeds_guidance: bool = True
    """Whether the guidance scale is an input of the transformer."""
    true_guidance: float = 1.0
    """Classifier-free guidance over the negative prompt, beside the embedded guidance; 1 is off."""
    num_blocks: int = 60
    """Transformer blocks: those of two streams, then those of one."""
    max_text_tokens: int = 256
    """What the language model reads of a prompt; CLIP always reads 77."""

    def drawn_frames(self, num_frames: int) -> int:
        """How many frames the networks draw for a clip of so many."""
        return num_frames + (HIDDEN_FRAMES if self.kind == "latent-concat" else 0)


FIELDS = tuple(field.name for field in dataclasses.fields(Settings))


def to_options(settings: Settings, **more: Any) -> dict[str, Any]:
    """Options of a variant: the settings and what else it carries."""
    return {**to_plain(settings), **more}


def from_options(options: Mapping[str, Any]) -> Settings:
    """The settings among a variant's or recipe's options."""
    return from_plain(Settings, {name: options[name] for name in FIELDS if name in options})
