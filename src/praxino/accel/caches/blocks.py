"""First Block Cache and MagCache, by diffusers' hooks on a network's blocks.

First Block Cache (chengzeyi/ParaAttention): where the first block hardly says anything else than it did, the others are
left out, and what they added then is added again. MagCache (Ma et al. 2025, arXiv 2506.09045): all blocks are, as long
as the size of what they add, known by step from an earlier run, is expected to be nearly the same.

The hooks keep a state for each name of a context: here that of the branch and of the pass within it, whatever a
pipeline calls it. Which steps
they may leave out is told them by their bound.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.hooks import first_block_cache, mag_cache
from diffusers.hooks._common import _ALL_TRANSFORMER_BLOCK_IDENTIFIERS as LISTS
from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry
from diffusers.hooks.hooks import CacheContext
from torch import Tensor, nn

from praxino.accel.caches import Caching
from praxino.accel.caches.call import Call

COMPUTED = -1.0
"""A bound that nothing keeps below."""
HOOKS = (
    first_block_cache._FBC_LEADER_BLOCK_HOOK,
    first_block_cache._FBC_BLOCK_HOOK,
    mag_cache._MAG_CACHE_LEADER_BLOCK_HOOK,
    mag_cache._MAG_CACHE_BLOCK_HOOK,
)
NUMBERS = ("accumulated_ratio", "accumulated_err", "accumulated_steps")
"""Of a MagCacheState."""


class BlockCache:
    """Of a network made of blocks. Made by `hooked`."""

    def __init__(self, head: Any, caching: Caching) -> None:
        self._hook, self._bound = head, caching.bound
        self._states = head.state_manager
        self._is_first_block = caching.kind == "first-block"
        self._step, self._passes = 0, 0
        self._call: Call | None = None
        self._asked: set[str] = set()
        """The names of contexts in the present step."""
        self.ratios: dict[int, list[float]] = {}
        """By step, what MagCache measured, of each branch and run."""

    @property
    def is_used(self) -> bool:
        """It is, since its blocks are known."""
        return True

    def begin(self, x: Tensor, step: int, *, may_reuse: bool) -> None:
        """Tell the hooks."""
        bound = self._bound if may_reuse else COMPUTED
        if self._is_first_block:
            self._hook.threshold = bound
        else:
            self._hook.config.threshold = bound
        self._step = step
        kept = self._states._state_cache
        for name in kept.keys() - self._asked:
            del kept[name]
        self._asked = set()

    def answer(self, call: Call) -> tuple[Any, bool]:
        """The network's own answer, with its blocks or without."""
        self._call, self._passes = call, 0
        try:
            output = call.compute()
            state = self._states.get_state()
        finally:
            self._states.set_context(None)
        if not self._is_first_block and self._hook.config.calibrate:
            self.ratios.setdefault(self._step, []).append(state.calibration_ratios[-1])
        return output, not state.should_compute

    def pass_begins(self) -> None:
        """The first block is called. For one answer a network may go through its blocks several times."""
        assert self._call is not None  # `answer` comes before
        name = f"{self._call.branch}-{self._passes}"
        self._passes += 1
        self._asked.add(name)
        self._states.set_context(CacheContext(name))
        state = self._states.get_state()
        _move(state, self._call.x.device)
        if not self._is_first_block:
            state.step_index = self._step

    def state(self) -> dict[str, Tensor]:
        """What the hooks know, by context."""
        found = {"step": torch.tensor(self._step)}
        for asked, state in self._states._state_cache.items():
            found |= {f"{asked}.{name}": tensor for name, tensor in _tensors(state).items()}
        return found

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Let them know that; without any of it, nothing."""
        self._states.reset()
        self._step = int(tensors["step"]) if tensors else 0
        self._asked = {name.partition(".")[0] for name in tensors} - {"step"}
        for asked in sorted(self._asked):
            self._states.set_context(CacheContext(asked))
            start = f"{asked}."
            own = {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
            _fill(self._states.get_state(), own)
        self._states.set_context(None)


@contextmanager
def hooked(network: nn.Module, caching: Caching, num_steps: int) -> Iterator[BlockCache | None]:
    """While it holds, a network's blocks are hooked; None where it is not made of two or more that diffusers knows.

    Args:
        network: a denoiser.
        caching: of the kind first-block or mag. Of the second without ratios, nothing is left out: they are measured.
        num_steps: of the run.
    """
    found = blocks(network)
    if len(found) < 2 or not all(_is_known(block) for block in found):
        yield None
        return
    before = [(vars(block).get("forward"), vars(block).get("_diffusers_hook")) for block in found]
    name = _hook(network, caching, num_steps)
    registry: Any = found[0]._diffusers_hook
    cache = BlockCache(registry.get_hook(name), caching)
    beginning = found[0].register_forward_pre_hook(lambda *_: cache.pass_begins())
    try:
        yield cache
    finally:
        beginning.remove()
        for block, (forward, registry) in zip(found, before, strict=True):
            _put_back(block, forward, registry)


def blocks(network: nn.Module) -> list[Any]:
    """Those that diffusers' hooks are laid on, in the order that they are called."""
    lists = [child for name, child in network.named_children() if name in LISTS and isinstance(child, nn.ModuleList)]
    return [block for one in lists for block in one]


def _hook(network: nn.Module, caching: Caching, num_steps: int) -> str:
    """Lay the hooks on; the name of that of the first block."""
    if caching.kind == "first-block":
        first_block_cache.apply_first_block_cache(network, first_block_cache.FirstBlockCacheConfig(caching.bound))
        return first_block_cache._FBC_LEADER_BLOCK_HOOK
    measures = not caching.ratios
    config = mag_cache.MagCacheConfig(
        threshold=caching.bound,
        max_skip_steps=caching.longest,
        retention_ratio=0.0,
        # One more than there are, where it measures: after the last one it would print.
        num_inference_steps=num_steps + measures,
        mag_ratios=None if measures else list(caching.ratios),
        calibrate=measures,
    )
    mag_cache.apply_mag_cache(network, config)
    return mag_cache._MAG_CACHE_LEADER_BLOCK_HOOK


def _is_known(block: nn.Module) -> bool:
    """Whether it is told where a block's answer has its tokens; of blocks of one stream it is, once it is seen."""
    kind = type(block)
    with contextlib.suppress(ValueError):
        TransformerBlockRegistry.get(kind)
        return True
    annotated = inspect.signature(kind.forward).return_annotation
    if annotated not in (Tensor, "Tensor"):
        return False
    first = TransformerBlockMetadata(0, _cached_parameter_indices={"hidden_states": 0})
    TransformerBlockRegistry.register(kind, first)
    return True


def _put_back(block: Any, forward: Any, registry: Any) -> None:
    for name in HOOKS:
        block._diffusers_hook.remove_hook(name, recurse=False)
    vars(block).pop("forward", None)
    if forward is not None:
        block.forward = forward
    if registry is None:
        del block._diffusers_hook


def _tensors(state: Any) -> dict[str, Tensor]:
    """What a hook's state keeps from one call to the next."""
    if isinstance(state, mag_cache.MagCacheState):
        numbers = torch.tensor([float(getattr(state, name)) for name in NUMBERS], dtype=torch.float64)
        found = {"numbers": numbers, "residual": state.previous_residual}
    else:
        tails = state.tail_block_residuals or ()
        found = {"head": state.head_block_residual, **{f"tail{index}": tail for index, tail in enumerate(tails)}}
    return {name: tensor for name, tensor in found.items() if tensor is not None}


def _fill(state: Any, tensors: dict[str, Tensor]) -> None:
    if "numbers" in tensors:
        for name, number in zip(NUMBERS, tensors["numbers"].tolist(), strict=True):
            setattr(state, name, number)
        state.previous_residual = tensors.get("residual")
    elif "tail0" in tensors:
        state.head_block_residual = tensors["head"]
        state.tail_block_residuals = (tensors["tail0"], tensors.get("tail1"))


def _move(state: Any, device: torch.device) -> None:
    """A state that was saved comes back on the CPU."""
    if isinstance(state, mag_cache.MagCacheState):
        if state.previous_residual is not None:
            state.previous_residual = state.previous_residual.to(device)
    elif state.tail_block_residuals is not None:
        state.head_block_residual = state.head_block_residual.to(device)
        state.tail_block_residuals = tuple(one if one is None else one.to(device) for one in state.tail_block_residuals)
