"""`praxino.json` of video families that read it alike: what a folder says of itself, over what its configs say.

Knows the folder's networks only through the `Variant` that it is laid over. No torch.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from praxino.errors import ModelError
from praxino.families import Variant
from praxino.plain import from_plain
from praxino.recipe import GuidancePhase

CARD = "praxino.json"
OF_A_VARIANT = (
    "title", "source", "licence", "width", "height", "num_frames", "fps", "steps", "max_text_tokens",
)  # fmt: skip
"""Fields of a card that are fields of the same names of a Variant."""


@dataclass(frozen=True)
class Card:
    """The fields of `praxino.json`. What is left out stays as the published variant has it."""

    family: str
    variant: str
    """A published variant's name, or one of its own."""
    title: str | None = None
    source: str | None = None
    licence: str | None = None
    width: int | None = None
    height: int | None = None
    num_frames: int | None = None
    fps: float | None = None
    steps: int | None = None
    guidance: float | None = None
    max_text_tokens: int | None = None
    any_size: bool | None = None
    """Whether it draws other sizes than the one that it was made for."""
    components: str | None = None
    """For a transformer alone: the folder with the other networks, seen from this one."""


def read_card(folder: Path, family: str) -> Card | None:
    """The folder's card, or None when it has none of this family.

    Raises:
        ModelError: it is there but not readable.
    """
    path = folder / CARD
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or data.get("family") != family:
            return None
        return from_plain(Card, data)
    except ValueError as problem:
        raise ModelError(f"{path} is not a readable model card: {problem}") from problem


def lay_over(base: Variant, card: Card) -> Variant:
    """`base` with what the card says. A name of its own means that it is not the published checkpoint."""
    given = {name: value for name, value in dataclasses.asdict(card).items() if value is not None}
    data: dict[str, Any] = {name: given[name] for name in OF_A_VARIANT if name in given}
    options = {**base.options, **{name: given[name] for name in ("max_text_tokens", "components") if name in given}}
    if card.guidance is not None:
        data["guidance_phases"] = (GuidancePhase(start=1.0, scale=card.guidance),)
    if card.any_size:
        step = base.grid.size_multiple
        data["grid"] = dataclasses.replace(base.grid, sizes=(), min_side=step, max_side=2048 // step * step)
    if card.variant != base.name:
        data = {"source": "", "licence": "unknown; see where it came from", "restrictions": "", "gated": False, **data}
    return dataclasses.replace(base, name=card.variant, options=options, **data)
