"""`praxino.json`: what a model folder says about itself. It wins over anything read from the networks' configs.

Knows the folder's networks only through the `Variant` that it is laid over. No torch.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from praxino.errors import ModelError
from praxino.families import Grid, Variant
from praxino.families.ltx_video.settings import SecondPass, Settings, from_options, to_options
from praxino.families.ltx_video.variants import LATER_STEERING, grid
from praxino.plain import from_plain, to_plain
from praxino.recipe import GuidancePhase

FAMILY_NAME = "ltx-video"
CARD = "praxino.json"
VOCABULARY = "vocabulary.json"
OWN_SETTINGS = ("causal_rope", "max_text_tokens", "image_noise", "image_preparation")
"""Fields of a card that are settings of the same names."""


@dataclass(frozen=True)
class Card:
    """The fields of `praxino.json`. What is left out stays as the published variant, or the configs, have it."""

    family: str
    variant: str
    title: str | None = None
    source: str | None = None
    licence: str | None = None
    width: int | None = None
    height: int | None = None
    num_frames: int | None = None
    fps: float | None = None
    steps: int | None = None
    guidance: float | None = None
    """One classifier-free guidance scale for all steps, without STG."""
    schedule: Literal["explicit", "uniform", "sd3", "linear-quadratic"] | None = None
    sigmas: tuple[float, ...] | None = None
    """The noise levels of schedule "explicit"."""
    scheduler: Literal["euler", "dpm++-2m", "euler-ancestral"] | None = None
    causal_rope: bool | None = None
    max_text_tokens: int | None = None
    size_multiple: int | None = None
    sizes: tuple[tuple[int, int], ...] | None = None
    max_frames: int | None = None
    """The longest clip it was trained on."""
    image_noise: float | None = None
    image_preparation: Literal["plain", "sticker"] | None = None
    second_pass: SecondPass | None = None
    preview: tuple[tuple[tuple[float, ...], ...], tuple[float, ...]] | None = None
    """Factors (3 x channels) and bias (3) from normalised latents to RGB in [-1, 1]."""


def read_card(folder: Path) -> Card | None:
    """The folder's card, or None when it has none. Of another family's, only which family that is.

    Raises:
        ModelError: it is there but not readable.
    """
    path = folder / CARD
    if not path.is_file():
        return None
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(told, dict) and told.get("family", FAMILY_NAME) != FAMILY_NAME:
            return Card(family=str(told["family"]), variant="")
        return from_plain(Card, told)
    except ValueError as problem:
        raise ModelError(f"{path} is not a readable model card: {problem}") from problem


def lay_over(base: Variant, card: Card, folder: Path, published: bool) -> Variant:
    """`base` with what the card says; a folder that is none of the published ones gets plain image preparation."""
    settings = from_options(base.options)
    if not published:
        settings = dataclasses.replace(settings, image_preparation="plain", image_noise=0.0)
    settings = dataclasses.replace(settings, **_given(card, *OWN_SETTINGS))
    kept = ("skip_final_steps", "text_source", "second_pass")
    more = {name: base.options[name] for name in kept if name in base.options}
    if card.second_pass is not None:
        more["second_pass"] = to_plain(card.second_pass)
    if card.preview is not None:
        more["preview"] = card.preview
    return dataclasses.replace(
        base,
        name=card.variant,
        grid=_grid(settings, card, base),
        steering=tuple(dict.fromkeys((*base.steering, *LATER_STEERING))) if "second_pass" in more else base.steering,
        options=to_options(settings, **more),
        vocabulary=VOCABULARY if (folder / VOCABULARY).is_file() else "",
        **_given(card, "title", "source", "licence", "width", "height", "num_frames", "fps", "steps"),
        **_given(card, "schedule", "sigmas", "scheduler", "max_text_tokens"),
        **_guidance(card),
    )


def _grid(settings: Settings, card: Card, base: Variant) -> Grid:
    found = grid(settings, card.size_multiple or base.grid.size_multiple, card.sizes or base.grid.sizes)
    return found if card.max_frames is None else dataclasses.replace(found, max_frames=card.max_frames)


def _guidance(card: Card) -> dict[str, Any]:
    if card.guidance is None:
        return {}
    return {"guidance_phases": (GuidancePhase(start=1.0, scale=card.guidance),), "negative_prompt": ""}


def _given(card: Card, *names: str) -> dict[str, Any]:
    return {name: getattr(card, name) for name in names if getattr(card, name) is not None}
