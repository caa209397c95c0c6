"""`praxino.json` of video families that read it alike. No torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from praxino.families import Variant, _card

CARD = _card.CARD
LARGEST_SIDE_PX = 2048


@dataclass(frozen=True)
class Card(_card.Card):
    """With what clips have."""

    num_frames: int | None = None
    fps: float | None = None
    any_size: bool | None = None
    """Whether it draws other sizes than the one that it was made for."""


def read_card(folder: Path, family: str) -> Card | None:
    """See `_card.read_card`."""
    return _card.read_card(folder, family, Card)


def lay_over(base: Variant, card: Card) -> Variant:
    """See `_card.lay_over`."""
    grid = base.grid
    if card.any_size:
        step = grid.size_multiple
        grid = dataclasses.replace(grid, sizes=(), min_side=step, max_side=LARGEST_SIDE_PX // step * step)
    return _card.lay_over(base, card, grid)
