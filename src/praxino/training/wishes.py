"""Owns what can be asked of an edition: a wish, chance wishes, and those that training never sees.

Must not know pictures, captions or torch.
"""

import functools
from dataclasses import dataclass

import numpy as np

from praxino.training.edition import Edition, find

HELD_OUT_SEED = 2_020
HELD_OUT = 500
PAIR_SHARE = 0.12
COUNT_SHARE = 0.16
SIZE_SHARE = 0.12


@dataclass(frozen=True, order=True)
class Wish:
    """What a clip is to show: one thing, `count` of one thing, or two things side by side."""

    things: tuple[str, ...]
    motion: str
    ground: str
    count: int = 1
    size: str = ""

    @property
    def shown(self) -> tuple[str, ...]:
        """What stands in the picture, one name for each place."""
        return self.things if len(self.things) > 1 else self.things * self.count


def chance_wish(edition: Edition, rng: np.random.Generator) -> Wish:
    """Any wish, most of them for one thing of no named size; held out or not."""
    names = list(edition.things)
    thing, motion = names[rng.integers(len(names))], edition.motions[rng.integers(len(edition.motions))]
    ground = edition.grounds[rng.integers(len(edition.grounds))]
    kind = rng.random()
    if edition.has_pairs and kind < PAIR_SHARE:
        other = names[(names.index(thing) + rng.integers(1, len(names))) % len(names)]
        return Wish((thing, other), motion, ground)
    if len(edition.counts) > 1 and kind < PAIR_SHARE + COUNT_SHARE:
        return Wish((thing,), motion, ground, count=int(rng.choice([c for c in edition.counts if c > 1])))
    named_sizes = [size for size in edition.sizes if size]
    if named_sizes and kind < PAIR_SHARE + COUNT_SHARE + SIZE_SHARE:
        return Wish((thing,), motion, ground, size=named_sizes[rng.integers(len(named_sizes))])
    return Wish((thing,), motion, ground)


@functools.cache
def held_out(number: int = 2) -> frozenset[tuple[str, str, str]]:
    """HELD_OUT combinations of thing, motion and ground that no training clip shows, in whatever count or size."""
    edition = find(number)
    rng = np.random.default_rng(HELD_OUT_SEED)
    axes = (list(edition.things), edition.motions, edition.grounds)
    found: set[tuple[str, str, str]] = set()
    while len(found) < HELD_OUT:
        thing, motion, ground = (axis[rng.integers(len(axis))] for axis in axes)
        found.add((thing, motion, ground))
    return frozenset(found)


def is_held_out(wish: Wish) -> bool:
    """Whether one of its things is held out with its motion and ground."""
    return any((thing, wish.motion, wish.ground) in held_out() for thing in wish.things)


def training_wishes(edition: Edition, count: int, rng: np.random.Generator) -> list[Wish]:
    """`count` chance wishes, none of them held out."""
    wishes: list[Wish] = []
    while len(wishes) < count:
        wish = chance_wish(edition, rng)
        if not is_held_out(wish):
            wishes.append(wish)
    return wishes
