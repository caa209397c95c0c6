"""`praxino.json`: what a folder says of itself. It wins over anything read from the networks' configs. No torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from praxino.errors import ModelError
from praxino.families import Variant
from praxino.families._stock.checkpoint import CARD, read_json
from praxino.plain import from_plain
from praxino.recipe import GuidancePhase


@dataclass(frozen=True)
class Card:
    """The fields of `praxino.json`. What is left out stays as the published variant has it."""

    family: str
    variant: str
    """A published variant's name, or one of its own."""
    like: str | None = None
    """The published variant that it is run as, when `variant` is none."""
    title: str | None = None
    source: str | None = None
    licence: str | None = None
    width: int | None = None
    height: int | None = None
    num_frames: int | None = None
    fps: float | None = None
    steps: int | None = None
    guidance: float | None = None
    shift: float | None = None
    """How far the noise levels are shifted towards noise, however much is to move."""
    max_text_tokens: int | None = None
    buckets: tuple[tuple[int, int], ...] | None = None
    """The only sizes in which a picture is set in motion."""
    components: str | None = None
    """For a transformer alone: the folder with the other networks, seen from this one."""


def read_card(folder: Path) -> Card | None:
    """The folder's card, None when it has none.

    Raises:
        ModelError: it is there but not readable.
    """
    told = read_json(folder / CARD)
    known = {field.name for field in dataclasses.fields(Card)}
    if not told:
        return None
    try:
        return from_plain(Card, {name: value for name, value in told.items() if name in known})
    except ValueError as problem:
        raise ModelError(f"{folder / CARD} is not a readable model card: {problem}") from problem


def lay_over(base: Variant, card: Card) -> Variant:
    """`base` with what the card says. A name of its own means that it is not the published checkpoint."""
    given = {name: value for name, value in dataclasses.asdict(card).items() if value is not None}
    names = ("title", "source", "licence", "width", "height", "num_frames", "fps", "steps", "max_text_tokens")
    data: dict[str, Any] = {name: given[name] for name in names if name in given}
    options = {**base.options, **{name: given[name] for name in ("max_text_tokens", "components") if name in given}}
    if card.shift is not None:
        options["shifts"] = dict.fromkeys(base.options["shifts"], card.shift)
    if card.guidance is not None:
        data["guidance_phases"] = (GuidancePhase(start=1.0, scale=card.guidance),)
    if card.buckets is not None:
        sides = {side for size in card.buckets for side in size}
        data["grid"] = dataclasses.replace(
            base.grid, buckets=card.buckets, sizes=card.buckets, named={}, min_side=min(sides), max_side=max(sides)
        )
    if card.variant != base.name:
        data = {"source": "", "licence": "unknown; see where it came from", "restrictions": "", **data}
    return dataclasses.replace(base, name=card.variant, options=options, **data)
