"""Owns making examples into what the networks take: clips and captions encoded once, and clips that the model draws.

Knows no loss.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from praxino.recipe import Recipe
from praxino.training.loop import REPORT_SECONDS, OnEvent
from praxino.training.tuning import beside, buckets
from praxino.training.tuning.bench import Bench, RecipeOf
from praxino.training.tuning.cache import Cache, Tensors
from praxino.training.tuning.examples import Example, Survey
from praxino.training.tuning.objective import Encoded
from praxino.training.tuning.prior import mixed, prompts
from praxino.training.tuning.settings import Tuning

T = TypeVar("T")


@dataclass(frozen=True)
class Material:
    """The examples as the networks take them."""

    learnt: list[Encoded]
    """With what the model knew before."""
    held_out: list[Encoded]
    empty: Tensors


@dataclass(frozen=True)
class Encoder:
    """What examples are encoded with."""

    bench: Bench
    cache: Cache
    tuning: Tuning
    recipe_of: RecipeOf | None
    on_event: OnEvent

    def material(self, told: Survey) -> Material:
        """Every example of a survey, encoded or found in the cache."""
        learnt, held_out = split(told.examples, self.tuning.validation)
        encoded = [self._encode(example) for example in self._reported("encoding clips", learnt)]
        held = [self._encode(example) for example in held_out]
        empty = self._read("")
        self.on_event(f"{len(encoded)} examples to learn from, {len(held)} held out; {self.cache.made} newly encoded")
        return Material(mixed(encoded, self._remembered(), self.tuning.prior_share), held, empty)

    def _reported(self, what: str, things: Sequence[T]) -> Iterator[T]:
        """Each in turn, and now and then a line of how far that is."""
        reported = time.monotonic()
        for number, thing in enumerate(things):
            if time.monotonic() - reported >= REPORT_SECONDS:
                self.on_event(f"{what}: {number} of {len(things)}")
                reported = time.monotonic()
            yield thing

    def _encode(self, example: Example) -> Encoded:
        bench, bucket = self.bench, example.piece.bucket
        key = {
            "clip": example.digest, "frames": list(example.piece.frames), "bucket": dataclasses.astuple(bucket),
            **example.beside,
        }  # fmt: skip

        @torch.no_grad()
        def make() -> Tensors:
            return beside.encoded(bench.learner, bench.parts, example)

        text = self._read(example.caption) if bench.learnt is bench.network else {}
        return Encoded(bucket, self.cache.get(key, make), text, example.caption)

    def _read(self, caption: str) -> Tensors:
        with torch.no_grad():
            return self.cache.get({"caption": caption}, lambda: self.bench.learner.read(self.bench.parts, caption))

    def _remembered(self) -> list[Encoded]:
        """What the untaught model draws, encoded."""
        wanted = prompts(self.bench.entry, self.tuning)
        if not wanted or self.recipe_of is None:
            return []
        before, found = self.cache.made, []
        for index, prompt in enumerate(self._reported("drawing what it knows already", wanted)):
            recipe = self.recipe_of(prompt, self.tuning.seed + index, index)
            bucket = buckets.Bucket(recipe.num_frames, recipe.height, recipe.width)
            clip = self.cache.get({"prior": recipe.identity()}, self._drawing(recipe))
            found.append(Encoded(bucket, clip, self._read(recipe.caption), is_prior=True))
        self.on_event(f"{len(found)} clips of what it knows already; {self.cache.made - before} newly drawn")
        return found

    def _drawing(self, recipe: Recipe) -> Callable[[], Tensors]:
        def make() -> Tensors:
            with self.bench.evaluating():
                return self.bench.learner.encode(self.bench.parts, self.bench.drawn(recipe))

        return make


def split(examples: Sequence[Example], share: float) -> tuple[list[Example], list[Example]]:
    """Learnt and held out: whole clips, chosen by their content, so that adding one moves no other."""
    digests = sorted({example.digest for example in examples})
    count = min(round(len(digests) * share), len(digests) - 1)
    held = set(digests[:count])
    return [e for e in examples if e.digest not in held], [e for e in examples if e.digest in held]
