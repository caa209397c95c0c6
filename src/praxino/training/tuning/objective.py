"""Owns `loss(number)`: which examples a batch is made of, what is left out of it, and where its chance comes from.

Everything follows from (seed, number), so that a run taken up again goes on as if it had never stopped. Of several
processes that train together each takes its share of one and the same batch.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from praxino.families import Variant
from praxino.training.dataset import lap
from praxino.training.loop import fast_precision, generator
from praxino.training.tuning import losses
from praxino.training.tuning.buckets import Bucket
from praxino.training.tuning.cache import Tensors
from praxino.training.tuning.settings import Tuning
from praxino.training.tuning.trainee import Batch, Task, Trainee

VALIDATION_NUMBER = 2**40
"""Batches from this number on have fixed chance: the held-out loss is always measured on the same noise."""


@dataclass(frozen=True)
class Encoded:
    """An example as the networks take it."""

    bucket: Bucket
    clip: Tensors
    text: Tensors
    caption: str = ""
    is_prior: bool = False
    """Whether it is of what the model knew before: the answer to keep is its own."""


@dataclass(frozen=True)
class Share:
    """Which of the processes that train together this one is."""

    rank: int = 0
    count: int = 1


ALONE = Share()


class Objective:
    """`loss(number)` over encoded examples.

    Args:
        network: called by the trainee; it may be wrapped for several processes.
        parts: what `Family.load` gave, on the device.
        empty: what the empty caption becomes.
        untaught: gives the network as it was before, for a while; None where there is no such thing.
        read: what a caption becomes at this moment, where that is what is learnt.
    """

    def __init__(
        self,
        trainee: Trainee,
        parts: object,
        network: nn.Module,
        variant: Variant,
        examples: Sequence[Encoded],
        empty: Tensors,
        tuning: Tuning,
        share: Share = ALONE,
        untaught: Callable[[], AbstractContextManager[nn.Module]] | None = None,
        read: Callable[[str], Tensors] | None = None,
    ) -> None:
        self.trainee, self.parts, self.network, self.variant = trainee, parts, network, variant
        self.examples, self.empty, self.tuning, self.share = _masked_alike(examples), empty, tuning, share
        self.untaught, self.read = untaught, read
        self.device = next(network.parameters()).device
        places: dict[Bucket, list[int]] = defaultdict(list)
        for place, example in enumerate(examples):
            places[example.bucket].append(place)
        self._places = [np.array(some) for _, some in sorted(places.items())]
        sizes = np.array([len(some) for some in self._places], dtype=float)
        self._odds = sizes / sizes.sum()

    def __call__(self, number: int) -> Tensor:
        """The loss of batch `number`."""
        batch = self.draw(number)
        torch.manual_seed(int(generator(self.tuning.seed, number).initial_seed()))  # for dropout inside of networks
        return self._loss(batch)

    def _loss(self, batch: Batch) -> Tensor:
        """The mean of what the answer is off by, where it counts."""
        with fast_precision(self.device, is_exact=self.tuning.dtype == "float32"):
            task = self.trainee.task(self.parts, self.variant, batch)
            target = self._kept(batch, task)
            error = losses.error(self.trainee.answer(self.network, task), target, task, self.tuning)
        return losses.mean(error, batch, task)

    @torch.no_grad()
    def _kept(self, batch: Batch, task: Task) -> Tensor:
        """The target; for what the model knew before, its own answer without the new weights, where it can be had."""
        if self.untaught is None or not batch.is_prior.any():
            return task.target
        with self.untaught() as network:
            before = self.trainee.answer(network, task)
        is_prior = batch.is_prior.to(self.device).view(-1, *[1] * (before.dim() - 1))
        return torch.where(is_prior, before, task.target)

    def largest(self) -> Tensor:
        """The loss of a batch of the bucket that takes most memory."""
        most = max(self._places, key=lambda places: self.examples[places[0]].bucket.num_pixels)
        return self._loss(self._batch(np.resize(most, self.tuning.batch), 0, gives_first=False, drops=False))

    @torch.no_grad()
    def held_out_loss(self) -> float:
        """The loss over all examples, one by one, on fixed noise."""
        losses = [float(self._alone(place)) for place in range(len(self.examples))]
        return float(np.mean(losses))

    def _alone(self, place: int) -> Tensor:
        batch = self._batch(np.array([place]), VALIDATION_NUMBER + place, gives_first=False, drops=False)
        return self._loss(batch)

    def draw(self, number: int) -> Batch:
        """This process's share of batch `number`."""
        rng = np.random.default_rng((self.tuning.seed, number))
        chosen = int(rng.choice(len(self._places), p=self._odds))
        whole = self.tuning.batch * self.share.count
        places = lap(self._places[chosen], number, whole, self.tuning.seed + chosen)
        can_give = self.examples[places[0]].bucket.num_frames > 1
        gives_first = can_give and bool(rng.random() < self.tuning.image_share)
        return self._batch(places, number, gives_first=gives_first, drops=True)

    def _batch(self, places: np.ndarray, number: int, *, gives_first: bool, drops: bool) -> Batch:
        mine = range(
            self.share.rank * len(places) // self.share.count, (self.share.rank + 1) * len(places) // self.share.count
        )
        clips, texts, chances = [], [], []
        for place in mine:
            chance = generator(self.tuning.seed + 1, number * len(places) + place)
            dropped = drops and float(torch.rand((), generator=chance)) < self.tuning.caption_dropout
            example = self.examples[places[place]]
            clips.append(example.clip)
            texts.append(self.empty if dropped else self.read(example.caption) if self.read else example.text)
            chances.append(chance)
        is_prior = torch.tensor([self.examples[places[place]].is_prior for place in mine])
        return Batch(
            self._stack(clips), self._stack(texts), self.variant.fps, gives_first, chances, is_prior, self.tuning
        )

    def _stack(self, tensors: list[Tensors]) -> Tensors:
        return {name: torch.stack([one[name] for one in tensors]).to(self.device) for name in tensors[0]}


def _masked_alike(examples: Sequence[Encoded]) -> Sequence[Encoded]:
    """The same, all with a mask where one has one: of those without, everything is learnt."""
    if not any("mask" in example.clip for example in examples):
        return examples
    return [
        example
        if "mask" in example.clip
        else dataclasses.replace(example, clip={**example.clip, "mask": torch.ones(example.clip["latents"].shape[-2:])})
        for example in examples
    ]
