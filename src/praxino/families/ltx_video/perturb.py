"""The perturbed pass of spatio-temporal skip guidance: some transformer blocks with a part of them left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

Processor = Callable[..., Tensor]


class AttentionValues:
    """Self-attention that looks nowhere: each token gets its own value (STG-AV in Lightricks' naming)."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """The block's normalised input through to_v and to_out."""
        return attn.to_out[0](attn.to_v(hidden_states))


class AttentionSkip:
    """Self-attention left out but for its output projection (STG-AS in Lightricks' naming)."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """The block's normalised input through to_out."""
        return attn.to_out[0](hidden_states)


PROCESSORS: dict[str, Processor] = {"attention-values": AttentionValues(), "attention-skip": AttentionSkip()}


@contextmanager
def perturbed(blocks: nn.ModuleList, indices: tuple[int, ...], mode: str) -> Iterator[None]:
    """While it holds, the blocks of these indices are perturbed by `mode` (a Recipe's stg_mode)."""
    with ExitStack() as stack:
        for index in indices:
            if mode == "transformer-block":
                stack.enter_context(_skipped(blocks[index]))
            else:
                stack.enter_context(_processed(blocks[index], PROCESSORS[mode]))
        yield


@contextmanager
def _skipped(block: nn.Module) -> Iterator[None]:
    def give_back_input(module: nn.Module, args: Any, kwargs: dict[str, Any], output: Tensor) -> Tensor:
        return kwargs["hidden_states"]

    handle = block.register_forward_hook(give_back_input, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _processed(block: Any, processor: Processor) -> Iterator[None]:
    before = block.attn1.processor
    block.attn1.processor = processor
    try:
        yield
    finally:
        block.attn1.processor = before
