"""Owns what the model is shown: which clip stands at which place of an endless, seeded row, and what is held out.

Must not know networks or losses. A clip is a function of (seed, index) alone; what is used many times is stored as
plain .npy files: drawn clips (`drawn_clips`) and latents (`LatentPool`).
"""

import itertools
import math
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from praxino.training.motions import GROUNDS, MOTIONS, Placement, render_clip
from praxino.training.sprites import THINGS, Sprite, named_sprites, other_sprites

HELD_OUT_FRACTION = 0.09
SPLIT_SEED = 20
CHANNELS_AT_ONCE = 16
CLIPS_AT_ONCE = 512


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

    def clips(self, places: range) -> list[Clip]:
        """Draw the clips at `places`."""
        return [self.clip(index) for index in places]

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
        return render_clip(sprite.pixels, motion, colour, placement, num_frames=self.num_frames, size_px=self.size_px)


def drawn_clips(row: ClipRow, count: int, folder: Path, *, processes: int = 2) -> NDArray[np.uint8]:
    """The first `count` clips of `row`, (count, F, S, S, 3), drawn once into `folder` and mapped from there."""
    path = folder / "clips.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / "clips.part.npy"
        shape = (count, row.num_frames, row.size_px, row.size_px, 3)
        store = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)
        done = 0
        for clips in drawn_in_order(row, count, 64, processes):
            store[done : done + len(clips)] = np.stack([clip.frames for clip in clips])
            done += len(clips)
        store.flush()
        partial.rename(path)
    return np.load(path, mmap_mode="r")


def lap(places: NDArray[np.int64], step: int, size: int, seed: int) -> NDArray[np.int64]:
    """The `step`-th handful of `size` from endless reshuffled laps over `places`."""
    laps, start = divmod(step * size, len(places))
    order = np.random.default_rng((seed, laps)).permutation(len(places))
    taken = order[start : start + size]
    if len(taken) < size:
        following = np.random.default_rng((seed, laps + 1)).permutation(len(places))
        taken = np.concatenate([taken, np.resize(following, size - len(taken))])
    return places[taken]


@dataclass(frozen=True)
class LatentPool:
    """Clips encoded once: `tokens` (N, T, K) float16 of whole clips, `last` (N, T', K) of each last frame alone.

    `labels` (N, 3) int16 are indices into THINGS, MOTIONS and GROUNDS; -1 stands for no name.
    """

    tokens: NDArray[np.float16]
    last: NDArray[np.float16]
    labels: NDArray[np.int16]

    FILES: ClassVar[tuple[str, ...]] = ("tokens.npy", "last.npy", "labels.npy")

    @classmethod
    def load(cls, folder: Path) -> "LatentPool":
        """Read a pool from `folder`."""
        return cls(*(np.load(folder / name) for name in cls.FILES))

    def save(self, folder: Path) -> None:
        """Write the pool; it is there once labels.npy is."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in zip(self.FILES, (self.tokens, self.last, self.labels), strict=True):
            np.save(folder / name, array)

    def moments(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and deviation of each latent channel over all clips: (K,) both."""
        flat = self.tokens.reshape(-1, self.tokens.shape[-1])
        means, deviations = [], []
        # A few channels at a time: a large pool in float32 may not fit in memory.
        for first in range(0, flat.shape[1], CHANNELS_AT_ONCE):
            part = flat[:, first : first + CHANNELS_AT_ONCE].astype(np.float32)
            means.append(part.mean(0))
            deviations.append(part.std(0))
        return np.concatenate(means), np.concatenate(deviations)

    def normalised(self, mean: NDArray[np.float32], deviation: NDArray[np.float32]) -> "LatentPool":
        """The same pool with each channel shifted and scaled."""
        tokens, last = np.empty_like(self.tokens), np.empty_like(self.last)
        for old, new in ((self.tokens, tokens), (self.last, last)):
            for first in range(0, len(old), CLIPS_AT_ONCE):
                part = slice(first, first + CLIPS_AT_ONCE)
                new[part] = (old[part] - mean) / deviation
        return LatentPool(tokens, last, self.labels)

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Tell whether `folder` holds a whole pool."""
        return (folder / LatentPool.FILES[-1]).is_file()


def encode_pool(
    row: ClipRow,
    count: int,
    encode: Callable[[NDArray[np.uint8]], NDArray[np.float16]],
    *,
    batch: int = 64,
    processes: int = 2,
    seconds: float = math.inf,
) -> LatentPool:
    """Encode the first `count` clips of `row`, or as many batches of them as begin within `seconds`, but one at least.

    `encode` takes (B, F, S, S, 3) uint8 and gives (B, T, K) tokens. Other processes draw the clips meanwhile;
    with `processes` 0, this one does. The clips are the same either way.
    """
    began = time.monotonic()
    tokens, last, labels = [], [], []
    for clips in drawn_in_order(row, count, batch, processes):
        frames = np.stack([clip.frames for clip in clips])
        tokens.append(encode(frames))
        last.append(encode(frames[:, -1:]))
        labels += [_label(clip) for clip in clips]
        if time.monotonic() - began > seconds:
            break
    return LatentPool(np.concatenate(tokens), np.concatenate(last), np.array(labels, np.int16))


def drawn_in_order(row: ClipRow, count: int, batch: int, processes: int) -> Iterator[list[Clip]]:
    """The first `count` clips of `row` in batches, drawn by other processes, or by this one with `processes` 0."""
    spans = [range(first, min(first + batch, count)) for first in range(0, count, batch)]
    yield from _drawn_ahead(row, spans, processes) if processes else map(row.clips, spans)


def _drawn_ahead(row: ClipRow, spans: list[range], processes: int) -> Iterator[list[Clip]]:
    """The clips of each of `spans` in order, drawn by worker processes that stay a little ahead."""
    settings = (row.seed, row.other_share, row.num_frames, row.size_px)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_set_row, initargs=settings) as workers:
        waiting: deque[Future[list[Clip]]] = deque()
        for span in spans:
            waiting.append(workers.submit(_clips, span))
            # Drawing is ahead by a few batches and no more: all clips together may not fit in memory.
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


_row: ClipRow
"""A worker's own row; set once, since its sprites take a second to draw."""


def _set_row(seed: int, other_share: float, num_frames: int, size_px: int) -> None:
    global _row
    _row = ClipRow(seed=seed, other_share=other_share, num_frames=num_frames, size_px=size_px)


def _clips(places: range) -> list[Clip]:
    return _row.clips(places)


def _label(clip: Clip) -> tuple[int, int, int]:
    thing = -1 if clip.thing is None else list(THINGS).index(clip.thing)
    ground = -1 if clip.ground is None else list(GROUNDS).index(clip.ground)
    return thing, list(MOTIONS).index(clip.motion), ground
