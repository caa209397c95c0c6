"""Owns what a run will take of memory, told before it starts: weights, what the optimizer keeps, and activations.

Activations are counted, not estimated: the loss of the largest batch is computed once, and what autograd would keep of
it for the way back is added up and let go. Knows no family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from praxino.accel.memory import memory_of
from praxino.training.peers import Peers
from praxino.training.tuning.optimizer import num_weights
from praxino.training.tuning.settings import Tuning

STATE_BYTES = {"adamw": 8, "adamw-8bit": 2, "prodigy": 16, "muon": 8}
"""What an optimizer keeps of each trained number; Muon half of it, of matrices."""
GRADIENT_BYTES = AVERAGE_BYTES = 4
GRADIENTS_AT_ONCE = 2
"""On the way back, of activations: of what an operation gave and of what it was given, of the largest at most."""


@dataclass(frozen=True)
class Peak:
    """Bytes at the moment when most are taken."""

    weights: int
    """Of the networks that every step needs."""
    learning: int
    """The optimizer's state and averaged weights; gradients too where they outlive the way back."""
    activations: int
    """With their gradients; or those of all weights, which come as activations go, where these are more."""

    @property
    def total(self) -> int:
        """All together."""
        return self.weights + self.learning + self.activations

    def __str__(self) -> str:
        gib = (part / 2**30 for part in (self.total, self.weights, self.learning, self.activations))
        return "about {:.3g} GiB: {:.3g} of weights, {:.3g} to learn with, {:.3g} of activations".format(*gib)


@dataclass
class _Count:
    """Bytes of tensors that are kept, each storage once."""

    known: set[int]
    """Storages that are there in any case: those of weights."""
    num_bytes: int = 0
    largest: int = 0
    """Of one tensor."""
    kept: dict[int, StorageWeakRef] = field(default_factory=dict)

    def add(self, tensor: Tensor) -> None:
        """Count a tensor whose storage is not counted yet. An address is another storage once the first has gone."""
        storage = tensor.untyped_storage()
        place = storage.data_ptr()
        before = self.kept.get(place)
        if place in self.known or (before is not None and not before.expired()):
            return
        self.kept[place] = StorageWeakRef(storage)
        self.num_bytes += storage.nbytes()
        self.largest = max(self.largest, storage.nbytes())

    @contextmanager
    def saved(self) -> Iterator[None]:
        """Count what autograd keeps while the block runs, and let it go: there is no way back then."""

        def refused(_: None) -> Tensor:
            raise AssertionError("what was counted is not there any more")

        with torch.autograd.graph.saved_tensors_hooks(self.add, refused):
            yield


def peak(loss: Callable[[], Tensor], network: nn.Module, learnt: nn.Module, tuning: Tuning, others: int = 0) -> Peak:
    """What a step takes.

    Args:
        loss: of the batch that takes most.
        network: called by the loss.
        learnt: what has the weights that are trained.
        tuning: the settings.
        others: bytes of the weights of further networks that a step needs.
    """
    tensors = [*network.parameters(), *network.buffers(), *learnt.parameters()]
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    count = _Count(set(storages))
    with count.saved(), _recomputed(network, count) as block:
        loss()
    working = GRADIENTS_AT_ONCE * max(count.largest, block.largest)
    trained = num_weights(parameter for parameter in learnt.parameters() if parameter.requires_grad)
    each = STATE_BYTES[tuning.optimizer] + (AVERAGE_BYTES if tuning.ema else 0)
    each += GRADIENT_BYTES if tuning.accumulate > 1 else 0
    activations = max(count.num_bytes + block.num_bytes + working, trained * GRADIENT_BYTES)
    return Peak(sum(storages.values()) + others, trained * each, activations)


def told(peak: Peak, peers: Peers, tuning: Tuning) -> str:
    """A line about it and, where it is more than the device has, what would make it less."""
    has = memory_of(peers.device).device_total
    line = f"memory at its peak: {peak}" + (f", before they are split over {peers.count}" if peers.is_sharded else "")
    if has is None or peak.total <= has or peers.is_sharded:
        return line
    ways = ["batch = 1"] if tuning.batch > 1 else []
    ways += [] if tuning.checkpointing else ["checkpointing = true"]
    ways += ['dtype = "float8"'] if tuning.method == "lora" and tuning.dtype != "float8" else []
    return f"{line}\nThis machine's {peers.device} has {has / 2**30:.1f} GiB; try {', '.join([*ways, 'fewer frames'])}."


@contextmanager
def _recomputed(network: nn.Module, count: _Count) -> Iterator[_Count]:
    """Count blocks whose activations are recomputed: what they are given; and apart, all of the largest block."""
    largest = _Count(set())

    def counted(block: Callable[..., Any], *args: Any) -> Any:
        for tensor in args:
            if isinstance(tensor, Tensor):
                count.add(tensor)
        inner = _Count(count.known | set(count.kept))
        with inner.saved():
            answer = block(*args)
        largest.num_bytes = max(largest.num_bytes, inner.num_bytes)
        largest.largest = max(largest.largest, inner.largest)
        return answer

    checkpointed: list[Any] = [
        module for module in network.modules() if getattr(module, "gradient_checkpointing", False)
    ]
    before = [module._gradient_checkpointing_func for module in checkpointed]
    for module in checkpointed:
        module._gradient_checkpointing_func = counted
    try:
        yield largest
    finally:
        for module, own in zip(checkpointed, before, strict=True):
            module._gradient_checkpointing_func = own
