"""One call of a network, and the tensors in what it is asked and answers. Knows no cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor


@dataclass(frozen=True)
class Call:
    """One call of a network within a step."""

    branch: int
    """Which of the step's calls: with the text, without it, perturbed, ..."""
    x: Tensor
    """What it is asked about."""
    compute: Callable[[], Any]
    """What the network says to it."""
    in_dict: bool | None
    """The form of the answer; None: the network has but one."""


class Cache(Protocol):
    """What is kept of one network throughout a run."""

    @property
    def is_used(self) -> bool:
        """Whether the network's steps count: it was seen to answer in a way that can be reused."""
        ...

    def begin(self, x: Tensor, step: int, *, may_reuse: bool) -> None:
        """A step begins with a call about x; whether it must be computed is told."""
        ...

    def answer(self, call: Call) -> tuple[Any, bool]:
        """What stands for the network's answer, and whether it was made of earlier ones."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All that is kept."""
        ...

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Keep what `state` told; nothing where that is empty."""
        ...


def as_answer(v: Tensor, in_dict: bool | None) -> Any:
    """A tensor in the form that a network of diffusers gives it."""
    if not in_dict:
        return v if in_dict is None else (v,)
    from diffusers.models.modeling_outputs import Transformer2DModelOutput

    return Transformer2DModelOutput(sample=v)


def tensor_of(output: Any, x: Tensor) -> Tensor | None:
    """The one tensor that an answer is made of; None where there are more, or it is no answer to x.

    It is as large as x, or as the beginning of x: pictures lie on channels or tokens behind the latents.
    """
    if isinstance(output, tuple) and len(output) == 1:
        output = output[0]
    v = getattr(output, "sample", output)
    if not isinstance(v, Tensor) or v.dim() != x.dim():
        return None
    return v if all(out <= into for out, into in zip(v.shape, x.shape, strict=True)) else None


def part_of(x: Tensor, v: Tensor) -> Tensor:
    """The part of x that v answers to."""
    return x.detach()[tuple(slice(size) for size in v.shape)]
