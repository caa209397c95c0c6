"""The perturbed pass of spatio-temporal skip guidance: some transformer blocks with a part of them left out.

Hyung et al. 2024 (arXiv 2411.18664). A family says by a `Surgery` how its blocks are made; what is left out of them is
the Recipe's stg_mode. Blocks are whole again afterwards, whatever happens in between.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

Processor = Callable[..., Any]
"""Stands in for a diffusers attention processor: called with the attention module and what that was called with."""
WHOLE_BLOCK = "transformer-block"


def attention_values(attn: Any, hidden_states: Tensor, *rest: Any, **named: Any) -> Tensor:
    """Self-attention that looks nowhere: each token gets its own value (STG-AV in Lightricks' naming)."""
    return attn.to_out[0](attn.to_v(hidden_states))


def attention_skip(attn: Any, hidden_states: Tensor, *rest: Any, **named: Any) -> Tensor:
    """Self-attention left out but for its output projection (STG-AS in Lightricks' naming)."""
    return attn.to_out[0](hidden_states)


@dataclass(frozen=True)
class Surgery:
    """How a family's blocks are perturbed."""

    attention: str = "attn1"
    """The attribute of a block that is its self-attention."""
    processors: Mapping[str, Processor] = field(
        default_factory=lambda: {"attention-values": attention_values, "attention-skip": attention_skip}
    )
    """By stg_mode; the whole block is left out in every family."""
    streams: int = 1
    """How many tensors a block takes first and gives back in the same order: 2 for video and text side by side."""

    def modes(self) -> tuple[str, ...]:
        """The stg_mode names that it knows."""
        return (*self.processors, WHOLE_BLOCK)


@contextmanager
def perturbed(
    blocks: nn.ModuleList, indices: Iterable[int], mode: str, surgery: Surgery | None = None
) -> Iterator[None]:
    """While it holds, the blocks of these indices are perturbed by `mode` (a Recipe's stg_mode)."""
    surgery = surgery or Surgery()
    with ExitStack() as stack:
        for index in indices:
            if mode == WHOLE_BLOCK:
                stack.enter_context(_skipped(blocks[index], surgery.streams))
            else:
                attention = getattr(blocks[index], surgery.attention)
                stack.enter_context(_processed(attention, surgery.processors[mode]))
        yield


@contextmanager
def _skipped(block: nn.Module, streams: int) -> Iterator[None]:
    """The block gives back what it is given, at no cost."""
    signature = inspect.signature(block.forward)

    def give_back(*args: Any, **kwargs: Any) -> Any:
        given = tuple(signature.bind(*args, **kwargs).arguments.values())[:streams]
        return given if streams > 1 else given[0]

    before = vars(block).get("forward")
    block.forward = give_back
    try:
        yield
    finally:
        if before is None:
            del block.forward
        else:
            block.forward = before


@contextmanager
def _processed(attention: Any, processor: Processor) -> Iterator[None]:
    before = attention.processor
    attention.processor = processor
    try:
        yield
    finally:
        attention.processor = before
