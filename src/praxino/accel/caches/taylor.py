"""TaylorSeer (Liu et al. 2025, arXiv 2503.06923, equations 3 and 4, of first order), of a network's answers alone.

One step in so many is computed; those between go on as the answers did between the last two that were. It is what
diffusers' hook does in its lite mode, which keeps the last layer's answers; the layers behind it only reorder them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from praxino.accel.caches.call import Call, as_answer, tensor_of


@dataclass
class _Branch:
    v: Tensor
    """float32, of the last computed step."""
    slope: Tensor | None
    """A step, float32; None until two were computed."""
    step: int
    """Which it was."""
    dtype: torch.dtype


class TaylorCache:
    """Of a network that answers with one tensor.

    Args:
        interval: of so many steps one is computed.
    """

    def __init__(self, interval: int) -> None:
        self._interval = interval
        self.restore({})

    @property
    def is_used(self) -> bool:
        """Whether a step was computed."""
        return bool(self._branches)

    def begin(self, x: Tensor, step: int, *, may_reuse: bool) -> None:
        """Decide by the step alone."""
        last = self._branches.get(0)
        self._step = step
        self._is_reused = may_reuse and last is not None and step - last.step < self._interval

    def answer(self, call: Call) -> tuple[Any, bool]:
        """What the branch's last two answers come to by now, or what is computed."""
        known = self._branches.get(call.branch)
        if self._is_reused and known is not None and known.slope is not None:
            v = known.v.to(call.x.device) + known.slope.to(call.x.device) * (self._step - known.step)
            return as_answer(v.to(known.dtype), call.in_dict), True
        output = call.compute()
        if (v := tensor_of(output, call.x)) is not None:
            self._learn(call.branch, v)
        return output, False

    def state(self) -> dict[str, Tensor]:
        """All that is known. The answers are told in their own format, the slopes in float32."""
        found = {"numbers": torch.tensor([self._step, self._is_reused])}
        for branch, known in self._branches.items():
            found[f"step.{branch}"] = torch.tensor(known.step)
            found[f"v.{branch}"] = known.v.to(known.dtype)
            if known.slope is not None:
                found[f"slope.{branch}"] = known.slope
        return found

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Know that; without any of it, nothing."""
        self._step, self._is_reused = map(int, tensors["numbers"].tolist()) if tensors else (0, 0)
        self._branches: dict[int, _Branch] = {}
        for name in tensors:
            start, _, branch = name.partition(".")
            if start == "step":
                v, slope = tensors[f"v.{branch}"], tensors.get(f"slope.{branch}")
                self._branches[int(branch)] = _Branch(v.float(), slope, int(tensors[name]), v.dtype)

    def _learn(self, branch: int, v: Tensor) -> None:
        known, now = self._branches.get(branch), v.detach().float()
        slope = None
        if known is not None and known.v.shape == now.shape:
            slope = (now - known.v.to(now.device)) / (self._step - known.step)
        self._branches[branch] = _Branch(now, slope, self._step, v.dtype)
