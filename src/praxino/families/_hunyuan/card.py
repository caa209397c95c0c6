"""`praxino.json`: what a folder says of itself. It wins over anything read from the networks' configs. No torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from praxino.errors import ModelError
from praxino.families import Variant, _card
from praxino.families._stock.checkpoint import read_json
from praxino.plain import from_plain


@dataclass(frozen=True)
class Card(_card.Card):
    """With what HunyuanVideo has."""

    like: str | None = None
    """The published variant that it is run as, when `variant` is none."""
    num_frames: int | None = None
    fps: float | None = None
    shift: float | None = None
    """How far the noise levels are shifted towards noise, however much is to move."""
    buckets: tuple[tuple[int, int], ...] | None = None
    """The only sizes in which a picture is set in motion."""


def read_card(folder: Path) -> Card | None:
    """The folder's card, None when it has none.

    Raises:
        ModelError: it is there but not readable.
    """
    told = read_json(folder / _card.CARD)
    known = {field.name for field in dataclasses.fields(Card)}
    if not told:
        return None
    try:
        return from_plain(Card, {name: value for name, value in told.items() if name in known})
    except ValueError as problem:
        raise ModelError(f"{folder / _card.CARD} is not a readable model card: {problem}") from problem


def lay_over(base: Variant, card: Card) -> Variant:
    """See `_card.lay_over`."""
    grid = base.grid
    if card.buckets is not None:
        sides = {side for size in card.buckets for side in size}
        grid = dataclasses.replace(
            grid, buckets=card.buckets, sizes=card.buckets, named={}, min_side=min(sides), max_side=max(sides)
        )
    shifts = {} if card.shift is None else {"shifts": dict.fromkeys(base.options["shifts"], card.shift)}
    return _card.lay_over(base, card, grid, shifts)
