"""`praxino.json`: what a FLUX.1 folder says about itself. It wins over anything read from the networks' configs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from praxino.families import Variant, _card

CARD = _card.CARD
FAMILY_NAME = "flux"


@dataclass(frozen=True)
class Card(_card.Card):
    """With what FLUX.1 has."""

    like: str | None = None
    """The published variant that it is run as, when `variant` is none."""
    buckets: tuple[tuple[int, int], ...] | None = None
    """The sizes in which a picture is given to Kontext."""


def read_card(folder: Path) -> Card | None:
    """See `_card.read_card`."""
    return _card.read_card(folder, FAMILY_NAME, Card)


def lay_over(base: Variant, card: Card) -> Variant:
    """See `_card.lay_over`."""
    grid = base.grid if card.buckets is None else dataclasses.replace(base.grid, buckets=card.buckets)
    return _card.lay_over(base, card, grid)
