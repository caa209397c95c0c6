"""Owns what the model is shown: which clip stands at which place of an endless, seeded row, and what is held out.

Must not know networks or losses. A clip is a function of (seed, index) alone; nothing is stored but latents
(`LatentPool`), as plain .npy files.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from praxino.training.motions import GROUNDS, MOTIONS, Placement, render_clip
from praxino.training.sprites import THINGS, Sprite, named_sprites, other_sprites

HELD_OUT_FRACTION = 0.09
SPLIT_SEED = 20


@dataclass(frozen=True, order=True)
class Combination:
    """What a caption can ask for."""

    thing: str
    motion: str
    ground: str


@dataclass(frozen=True)
class Clip:
    """A drawn clip: `frames` (F, S, S, 3) uint8; `thing` and `ground` are None where the picture has no taught name."""

    frames: NDArray[np.uint8]
    thing: str | None
    motion: str
    ground: str | None


def all_combinations() -> list[Combination]:
    """Every thing, motion and ground together, in a fixed order."""
    return [Combination(*parts) for parts in itertools.product(THINGS, MOTIONS, GROUNDS)]


def split(fraction: float = HELD_OUT_FRACTION, seed: int = SPLIT_SEED) -> tuple[list[Combination], list[Combination]]:
    """Return (trained, held out). Each thing, each motion and each ground, and each pair of them, stays in training."""
    combinations = all_combinations()
    wanted = round(fraction * len(combinations))
    left = {pair: count for pair, count in _pair_counts(combinations).items()}
    held: set[Combination] = set()
    for position in np.random.default_rng(seed).permutation(len(combinations)):
        candidate = combinations[position]
        if len(held) == wanted:
            break
        if all(left[pair] > 1 for pair in _pairs(candidate)):
            held.add(candidate)
            for pair in _pairs(candidate):
                left[pair] -= 1
    return [c for c in combinations if c not in held], sorted(held)


def _pairs(c: Combination) -> tuple[tuple[str, str], ...]:
    return (c.thing, c.motion), (c.thing, c.ground), (c.motion, c.ground)


def _pair_counts(combinations: list[Combination]) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    for combination in combinations:
        for pair in _pairs(combination):
            counts[pair] = counts.get(pair, 0) + 1
    return counts


class ClipRow:
    """An endless row of clips. `clip(index)` is the same for the same seed, on every machine with the same font."""

    def __init__(self, *, seed: int, other_share: float, num_frames: int = 9, size_px: int = 64) -> None:
        self.seed = seed
        self.other_share = other_share
        self.num_frames = num_frames
        self.size_px = size_px
        self._named = {sprite.name: sprite for sprite in named_sprites()}
        self._others = other_sprites()
        self._trained = split()[0]

    def clip(self, index: int) -> Clip:
        """Draw the clip at `index`: a trained combination, or in `other_share` of the places any other emoji."""
        rng = np.random.default_rng((self.seed, index))
        if rng.random() < self.other_share:
            return self._other(rng)
        # Going round a fresh shuffle a lap keeps the combinations evenly shown.
        lap, place = divmod(index, len(self._trained))
        order = np.random.default_rng((self.seed, 1 << 32, lap)).permutation(len(self._trained))
        return self.named(self._trained[order[place]], rng)

    def named(self, combination: Combination, rng: np.random.Generator) -> Clip:
        """Draw a combination with a little jitter of size, place and colour."""
        colour = np.clip(np.array(GROUNDS[combination.ground]) + rng.integers(-5, 6, 3), 0, 255)
        placement = Placement(rng.uniform(0.52, 0.60), rng.uniform(-0.03, 0.03), rng.uniform(-0.03, 0.03))
        frames = self._render(self._named[combination.thing], combination.motion, tuple(colour.tolist()), placement)
        return Clip(frames, combination.thing, combination.motion, combination.ground)

    def _other(self, rng: np.random.Generator) -> Clip:
        motion = list(MOTIONS)[rng.integers(len(MOTIONS))]
        if rng.random() < 0.5:
            colour = list(GROUNDS.values())[rng.integers(len(GROUNDS))]
        else:
            colour = tuple(rng.integers(0, 256, 3).tolist())
        placement = Placement(rng.uniform(0.46, 0.68), rng.uniform(-0.06, 0.06), rng.uniform(-0.06, 0.06))
        sprite = self._others[rng.integers(len(self._others))]
        return Clip(self._render(sprite, motion, colour, placement), None, motion, None)

    def _render(
        self, sprite: Sprite, motion: str, colour: tuple[int, int, int], placement: Placement
    ) -> NDArray[np.uint8]:
        return render_clip(
            sprite.pixels, motion, colour, placement, num_frames=self.num_frames, size_px=self.size_px
        )
