"""Where random numbers come from. Drawn on the CPU in float32, so that a seed means the same on every device."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class NoiseSource(Protocol):
    """Draws unit noise, and can be saved and put back between draws."""

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """Standard normal float32 on the CPU."""
        ...

    def state(self) -> Tensor:
        """All that decides the draws to come, as uint8."""
        ...

    def restore(self, state: Tensor) -> None:
        """Go on from what `state` returned."""
        ...


class SeededNoise:
    """Noise from torch's CPU generator."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator("cpu").manual_seed(seed)

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """Standard normal float32 on the CPU."""
        return torch.randn(shape, generator=self._generator, dtype=torch.float32)

    def state(self) -> Tensor:
        """The generator's state, uint8."""
        return self._generator.get_state()

    def restore(self, state: Tensor) -> None:
        """Go on from what `state` returned."""
        self._generator.set_state(state.cpu())
