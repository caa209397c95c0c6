"""The contract that a family fulfils to be fine-tuned, and how its fulfilment is found.

A trainee is a module of `trainees/`, named as the family, with `TRAINEE`. It may import torch at its top.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from praxino.families import Variant
from praxino.training.tuning import trainees
from praxino.training.tuning.cache import Tensors
from praxino.training.tuning.settings import Tuning


@dataclass(frozen=True)
class Batch:
    """Examples of one bucket, stacked."""

    clips: Tensors
    """What `encode` gave, (B, ...) each."""
    texts: Tensors
    """What `read` gave, (B, ...) each."""
    fps: float
    gives_first: bool
    """Whether the first frame is given, and only the others are learnt."""
    chances: list[torch.Generator]
    """A source of chance for each example, on the CPU."""
    is_prior: Tensor
    """(B,) bool: which examples are of what the model knew before."""
    tuning: Tuning = field(default_factory=Tuning)
    """What else the run is told."""

    def noise(self, like: Tensor) -> Tensor:
        """Normal noise of the shape of `like` (B, ...), each example's from its own source."""
        drawn = [torch.randn(like.shape[1:], generator=chance) for chance in self.chances]
        return torch.stack(drawn).to(like.device)

    def normal(self, device: torch.device) -> Tensor:
        """One normal number for each example, (B,)."""
        return torch.cat([torch.randn(1, generator=chance) for chance in self.chances]).to(device)

    def uniform(self, device: torch.device) -> Tensor:
        """One number in [0, 1) for each example, (B,)."""
        return torch.cat([torch.rand(1, generator=chance) for chance in self.chances]).to(device)


@dataclass(frozen=True)
class Task:
    """What a network is to answer to one batch."""

    inputs: dict[str, Any]
    """Its arguments, by name."""
    target: Tensor
    """(B, ...) float32."""
    learnt: Tensor | None = None
    """True where the answer counts, of a shape that broadcasts to the target's; None is everywhere."""
    pack: Callable[[Tensor], Tensor] | None = None
    """How latents become the target's shape, where that is another."""
    times: Tensor | None = None
    """(B,) from data, 0, to noise, 1: the noise's share in flow matching, the timestep's place in diffusion."""
    snr: Tensor | None = None
    """(B,), the signal's power over the noise's: of diffusion."""
    predicts: str = "epsilon"
    """What a diffusion's answer is: epsilon, v_prediction or sample."""


@dataclass(frozen=True)
class ComfyLayer:
    """A layer as ComfyUI's LoRA loader knows it."""

    name: str
    parts: tuple[str, ...]
    """The network's layers whose rows, one after another, are its rows: mostly one."""


class Trainee(Protocol):
    """How one family learns. `parts` is what `Family.load` gave."""

    targets: tuple[str, ...]
    """Ends of the names of the layers that low-rank weights are put on unless told otherwise; `*` is any text."""
    scope: str
    """What the name of a weight has in it to be trained at all, by whatever method; "" is in every name."""
    component: str
    """The folder of the trained network in a diffusers checkpoint."""

    def network(self, parts: Any) -> nn.Module:
        """The network that is trained."""
        ...

    def encode(self, parts: Any, frames: np.ndarray) -> Tensors:
        """What is learnt of one example, (F, H, W, 3) uint8; float32, with no batch dimension."""
        ...

    def read(self, parts: Any, caption: str) -> Tensors:
        """What a caption becomes, with no batch dimension."""
        ...

    def task(self, parts: Any, variant: Variant, batch: Batch) -> Task:
        """What the network is given, and what it should answer."""
        ...

    def answer(self, network: nn.Module, task: Task) -> Tensor:
        """The network's answer, float32 of the target's shape. `network` may be wrapped for several processes."""
        ...

    def comfy_layer(self, module: str) -> ComfyLayer | None:
        """The layer of ComfyUI's that a layer of the network is, or is a part of; None where it has none."""
        ...


@runtime_checkable
class LaidOver(Protocol):
    """A trainee of layers that are laid over those of another checkpoint."""

    def lay_over(self, parts: Any, base: str) -> None:
        """Put the parts over what lies at a path, "" for their own; before a network is asked for."""
        ...


def trainee(family: str, expert: trainees.Expert | None = None) -> Trainee:
    """How a family learns; of a model of two networks, one of them. Raises UserError when it cannot be fine-tuned."""
    trainees.check(family)
    found = importlib.import_module(f"{trainees.__name__}.{family.replace('-', '_')}").TRAINEE
    return found if expert is None else dataclasses.replace(found, expert=expert)
