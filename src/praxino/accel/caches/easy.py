"""EasyCache (Zhou et al. 2025, arXiv 2507.02860, section 3; H-EmbodVis/EasyCache at 313ae5f).

From step to step a network's output changes k times as much as its input, and k holds for a while. So the error of
taking the last difference between output and input again can be told from the inputs alone. While the errors since
the last computed step sum to less than a bound, x + (v' - x') stands for v.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from praxino.accel.caches.call import Call, as_answer, part_of, tensor_of

NAMED = ("x", "x_computed", "v")


class EasyCache:
    """Of a network that answers with one tensor, as large as what it is asked about or smaller.

    Args:
        most_error: relative, of an output; summed up since the last computed step.
    """

    def __init__(self, most_error: float) -> None:
        self._most_error = most_error
        self.restore({})

    @property
    def is_used(self) -> bool:
        """Whether a step was computed."""
        return self._v is not None

    def begin(self, x: Tensor, step: int, *, may_reuse: bool) -> None:
        """Decide by the inputs of the first branch."""
        self._move(x.device)
        self._is_reused = may_reuse and self._has_room(x)
        self._error = self._error if self._is_reused else 0.0
        self._x = None if self._v is None else part_of(x, self._v).clone()

    def answer(self, call: Call) -> tuple[Any, bool]:
        """The input and the last difference, or what is computed."""
        if self._is_reused and call.branch < len(self._differences):
            difference = self._differences[call.branch]
            return as_answer(part_of(call.x, difference) + difference, call.in_dict), True
        output = call.compute()
        if (v := tensor_of(output, call.x)) is not None:
            self._learn(call.branch, part_of(call.x, v), v)
        return output, False

    def state(self) -> dict[str, Tensor]:
        """All that is known."""
        found = {"numbers": torch.tensor([self._is_reused, self._error, self._k], dtype=torch.float64)}
        for name in NAMED:
            if (tensor := getattr(self, f"_{name}")) is not None:
                found[name] = tensor
        return found | {f"differences.{index}": tensor for index, tensor in enumerate(self._differences)}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Know that; without any of it, nothing."""
        numbers = tensors["numbers"].tolist() if tensors else [0.0, 0.0, 0.0]
        self._is_reused, self._error, self._k = bool(numbers[0]), numbers[1], numbers[2]
        self._x, self._x_computed, self._v = (tensors.get(name) for name in NAMED)
        count = sum(name.startswith("differences.") for name in tensors)
        self._differences = [tensors[f"differences.{index}"] for index in range(count)]

    def _has_room(self, x: Tensor) -> bool:
        """Whether one more step made of an earlier one keeps below the bound. k is 0 until two outputs are known."""
        if not self._k or self._v is None or self._x is None:
            return False
        self._error += self._k * _mean(part_of(x, self._v) - self._x) / _mean(self._v)
        return self._error < self._most_error

    def _learn(self, branch: int, x: Tensor, v: Tensor) -> None:
        if branch == 0:
            if self._v is not None and self._x_computed is not None:
                moved = _mean(x - self._x_computed)
                self._k = _mean(v - self._v) / moved if moved else 0.0
            self._x = self._x_computed = x.clone()
            self._v = v.detach().clone()
            self._differences = []
        self._differences.append((v - x).detach())

    def _move(self, device: torch.device) -> None:
        """A state that was saved comes back on the CPU."""
        for name in NAMED:
            if (tensor := getattr(self, f"_{name}")) is not None:
                setattr(self, f"_{name}", tensor.to(device))
        self._differences = [difference.to(device) for difference in self._differences]


def _mean(x: Tensor) -> float:
    return x.float().abs().mean().item()
