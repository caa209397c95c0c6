"""What a network is asked at once, asked one after another: the branches of guidance in turn. Knows no family.

It takes the memory of one branch, and as long as both together where each has work enough for the processor.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as trees

from praxino.accel.networks import computing


@contextmanager
def in_passes(network: Any) -> Iterator[None]:
    """While it holds, a network that is asked for several samples (the length of its first argument) makes each alone.

    Every tensor among its arguments that is as long is taken apart; all others are for all samples. The answers are put
    together in the same order, however long each is.
    """
    forward = network.forward
    signature = inspect.signature(forward)

    @wraps(forward)
    def answer(*args: Any, **kwargs: Any) -> Any:
        first = next(iter(signature.bind(*args, **kwargs).arguments.values()), None)
        count = first.shape[0] if isinstance(first, Tensor) and first.dim() > 1 else 1
        if count == 1:
            return forward(*args, **kwargs)
        answers = [_answer(forward, args, kwargs, i, count) for i in range(count)]
        leaves = [trees.tree_leaves(one) for one in answers]
        joined = [torch.cat(parts) if isinstance(parts[0], Tensor) else parts[0] for parts in zip(*leaves, strict=True)]
        return trees.tree_unflatten(joined, trees.tree_structure(answers[0]))

    with computing(network, answer):
        yield


def _answer(forward: Any, args: Any, kwargs: Any, index: int, count: int) -> Any:
    def own(value: Any) -> Any:
        is_by_sample = isinstance(value, Tensor) and value.dim() > 0 and value.shape[0] == count
        return value[index : index + 1] if is_by_sample else value

    args, kwargs = trees.tree_map(own, (args, kwargs))
    return forward(*args, **kwargs)
