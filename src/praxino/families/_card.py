"""`praxino.json` of families with loops of their own: what a folder says of itself, over what its configs say.

A family adds fields of its own by a subclass. Knows the folder's networks only through the `Variant` that a card is
laid over. No torch.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from praxino.errors import ModelError
from praxino.families import Grid, Variant
from praxino.plain import from_plain
from praxino.recipe import GuidancePhase

CARD = "praxino.json"
OF_A_VARIANT = (
    "title", "source", "licence", "width", "height", "num_frames", "fps", "steps", "max_text_tokens",
)  # fmt: skip
"""Fields of cards that are fields of the same names of a Variant."""
OF_ITS_OPTIONS = ("max_text_tokens", "components")


@dataclass(frozen=True)
class Card:
    """The fields of every `praxino.json`. What is left out stays as the published variant has it."""

    family: str
    variant: str
    """A published variant's name, or one of its own."""
    title: str | None = None
    source: str | None = None
    licence: str | None = None
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    guidance: float | None = None
    max_text_tokens: int | None = None
    components: str | None = None
    """For a transformer alone: the folder with the other networks, seen from this one."""


AnyCard = TypeVar("AnyCard", bound=Card)


def read_card(folder: Path, family: str, kind: type[AnyCard]) -> AnyCard | None:
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
        return from_plain(kind, data)
    except ValueError as problem:
        raise ModelError(f"{path} is not a readable model card: {problem}") from problem


def lay_over(base: Variant, card: Card, grid: Grid, options: Mapping[str, Any] | None = None) -> Variant:
    """`base` with what the card says. A name of its own means that it is not the published checkpoint.

    Args:
        base: the variant that the checkpoint is run as.
        card: what its folder says.
        grid: the sizes that it draws.
        options: what the card decides of its family's own options.
    """
    given = {name: value for name, value in dataclasses.asdict(card).items() if value is not None}
    data: dict[str, Any] = {name: given[name] for name in OF_A_VARIANT if name in given}
    own = {name: given[name] for name in OF_ITS_OPTIONS if name in given}
    if card.guidance is not None:
        data["guidance_phases"] = (GuidancePhase(start=1.0, scale=card.guidance),)
    if card.variant != base.name:
        data = {"source": "", "licence": "unknown; see where it came from", "restrictions": "", "gated": False, **data}
    return dataclasses.replace(
        base, name=card.variant, grid=grid, options={**base.options, **own, **(options or {})}, **data
    )
