"""The repeated blocks of denoisers, compiled while a run lasts. Knows no family.

One block is compiled for all of its class (regional compilation, pytorch.org/tutorials/recipes/regional_compilation).
What the compiler makes is kept in a folder, by torch itself: a later process reads it there.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import torch
from torch import nn

from praxino.accel.networks import computing, networks
from praxino.accel.reuse import LEVELS

LEFT_OUT = ("HunyuanVideoTokenReplaceTransformerBlock", "HunyuanVideoTokenReplaceSingleTransformerBlock")
"""Classes of repeated blocks that diffusers 0.42 does not name with the network that has them."""


@contextmanager
def compiling(parts: Any, folder: Path, failed: Callable[[str], None]) -> Iterator[None]:
    """While it holds, the repeated blocks of the denoisers in `parts` are compiled, each when it is first called.

    Args:
        parts: what a family has loaded.
        folder: where compiled code is kept, unless TORCHINDUCTOR_CACHE_DIR names another.
        failed: told, once, why blocks cannot be compiled; they all compute plainly from then on.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))
    fallback = _Fallback(failed)
    with ExitStack() as undo:
        for block in blocks(parts):
            undo.enter_context(computing(block, fallback.over(block.forward)))
        yield


def blocks(parts: Any) -> list[Any]:
    """The blocks of every denoiser: of the classes that diffusers names, else the members of lists of one class."""
    return [block for denoiser in denoisers(parts) for block in (_named(denoiser) or _listed(denoiser))]


def denoisers(parts: Any) -> list[Any]:
    """The networks that are told a noise level."""
    found = [network.module for network in networks(parts) if network.stage == "denoise"]
    return [module for module in found if set(LEVELS) & set(inspect.signature(module.forward).parameters)]


def _named(denoiser: nn.Module) -> list[nn.Module]:
    names = getattr(denoiser, "_repeated_blocks", None)
    return [module for module in denoiser.modules() if names and type(module).__name__ in (*names, *LEFT_OUT)]


def _listed(module: nn.Module) -> list[nn.Module]:
    """Of lists within lists, the outermost that are of one class."""
    found: list[nn.Module] = []
    for child in module.children():
        members = list(child) if isinstance(child, nn.ModuleList) else []
        are_alike = len({type(member) for member in members}) == 1
        has_own = are_alike and any(True for _ in members[0].children())
        found += members if has_own else _listed(child)
    return found


class _Fallback:
    """Compiled calls, and plain ones after the first that cannot be compiled."""

    def __init__(self, failed: Callable[[str], None]) -> None:
        self._failed = failed
        self._is_plain = False

    def over(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        from torch._dynamo.exc import TorchDynamoException  # half a second, for what is compiled alone

        compiled = torch.compile(forward)

        @wraps(forward)
        def answer(*args: Any, **kwargs: Any) -> Any:
            if self._is_plain:
                return forward(*args, **kwargs)
            try:
                return compiled(*args, **kwargs)
            except TorchDynamoException as problem:
                output = forward(*args, **kwargs)  # raises what is no fault of the compiler
                self._is_plain = True
                self._failed(_said(problem))
                return output

        return answer


def _said(problem: Exception) -> str:
    """An error of the compiler in a line: torch names the cause in the second."""
    return " ".join(str(problem).split("\n")[:2]).strip()[:200] or type(problem).__name__
