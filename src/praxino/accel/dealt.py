"""How HunyuanVideo's tokens are dealt out to several processes; diffusers 0.42.1 has no plan for this network.

Its blocks are handed the picture's and the text's tokens, a mask over both, the positions, and how many tokens the
first frame has, which are modulated by themselves where a picture is held (models/transformers/
transformer_hunyuan_video.py). Each is cut before a block sees it. Knows that network alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

KIND = "HunyuanVideoTransformer3DModel"
BLOCKS = ("transformer_blocks", "single_transformer_blocks")
"""Its lists of blocks, in the order that tokens go through them; what is before them, each process computes whole."""
Blocks = list[nn.Module]


def blocks_of(network: Any) -> Blocks:
    """All blocks, in their order."""
    return [block for name in BLOCKS for block in getattr(network, name)]


class Dealing:
    """A pre-hook of every block: the first cuts the tokens, all of them what goes with tokens.

    Args:
        first: the block that is first given tokens.
        rank: which share is this process's.
        count: of the shares.
    """

    def __init__(self, first: nn.Module, rank: int, count: int) -> None:
        self._first, self._rank, self._count = first, rank, count
        self._num_latents = 0

    def __call__(self, block: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments of a block for this process; its tokens (B, N, C) and (B, T, C) are cut by the first alone."""
        latents, text, moment, mask, places, moment_of_first, num_first = args
        if block is self._first:
            self._num_latents = latents.shape[1]
            latents, text = self._share(latents, 1), self._share(text, 1)
        each, more = divmod(self._num_latents, self._count)
        before = self._rank * each + min(self._rank, more)
        return (
            latents,
            text,
            moment,
            torch.cat([self._share(part, -1) for part in mask.tensor_split((self._num_latents,), dim=-1)], dim=-1),
            tuple(self._share(one, 0) for one in places),
            moment_of_first,
            min(max(num_first - before, 0), latents.shape[1]),
        )

    def _share(self, tensor: Tensor, dim: int) -> Tensor:
        return tensor.tensor_split(self._count, dim=dim)[self._rank].contiguous()
