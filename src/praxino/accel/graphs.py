"""A denoiser's call recorded as a CUDA graph and played again: its kernels wait for no Python. Knows no family.

Source: torch's notes on CUDA (docs/source/notes/cuda.rst, "CUDA Graphs"). A graph is of fixed places in memory, so what
a network is asked is copied to such places, and what it answers is copied from there. Python runs in none of it: a
call whose shapes, numbers or network differ is recorded anew, or computed plainly.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as trees

from praxino.accel.compiled import denoisers
from praxino.accel.networks import computing
from praxino.accel.paces import wait
from praxino.accel.reuse import LEVELS

MOST_KEPT, MOST_RECORDED = 4, 12
"""Graphs of a network that are kept, the least recent leaves; and that a run records: further calls are plain."""
WARM_UPS = 3
"""Calls before one is recorded, as torch's notes have it: libraries choose kernels, and take memory, in the first."""
PLAIN = (bool, int, float, str, torch.dtype, torch.device, type(None))
"""What a call is told beside tensors, and a graph is made for."""

Failed = Callable[[RuntimeError], None]


class CudaRecorder:
    """Records calls on one GPU; its graphs share memory, since they are played one after the other."""

    def __init__(self, device: torch.device) -> None:
        if device.type != "cuda":
            raise RuntimeError(f"calls are recorded on GPUs that torch calls cuda, this network is on {device.type}")
        self._device, self._stream = device, torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def capture(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """What computes a function again, and gives the same tensors with other numbers in them.

        Raises:
            RuntimeError: it does what cannot be recorded, as waiting for the GPU.
        """
        graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UPS):
                function()
            # Other threads, which write a file or a state, may ask for memory meanwhile.
            with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
                output = function()
        current.wait_stream(self._stream)

        def replay() -> Any:
            graph.replay()
            return output

        return replay


@contextmanager
def graphed(network: Any, failed: Failed | None = None) -> Iterator[None]:
    """While it holds, a network's calls without gradients are recorded once for each kind of them, and played again.

    Args:
        network: that computes as it will: other ways are laid before.
        failed: told why one cannot be recorded or played; all are plain from then on. That is raised when not given.

    Raises:
        RuntimeError: the network is on no GPU that has graphs.
    """
    graphs = _Graphs(network, failed)
    try:
        with computing(network, graphs.over(network.forward)):
            yield
    finally:
        graphs.release()


@contextmanager
def graphing(parts: Any, failed: Failed) -> Iterator[None]:
    """The same for every denoiser in what a family has loaded."""
    with ExitStack() as undo:
        for network in denoisers(parts):
            undo.enter_context(graphed(network, failed))
        yield


@dataclass(frozen=True)
class _Recorded:
    """One kind of call."""

    places: list[tuple[Tensor, Tensor]]
    """Of each tensor that is asked: what numbers are copied to, and what the network sees."""
    replay: Callable[[], Any]
    held: list[Tensor]
    """The network's own, weights and what it keeps of earlier calls: the graph reads them where they lie."""

    def answer(self, tensors: list[Tensor]) -> Any:
        _fill(self.places, tensors)
        return trees.tree_map_only(Tensor, torch.clone, self.replay())


class _Graphs:
    """Those of one network."""

    def __init__(self, network: Any, failed: Failed | None) -> None:
        self._network, self._failed = network, failed
        self._device = next(network.parameters()).device
        self._recorder = CudaRecorder(self._device)
        self._kept: OrderedDict[Any, _Recorded] = OrderedDict()
        self._laid_out: list[Any] = []
        self._count, self._is_plain = 0, False

    def release(self) -> None:
        """Forget every graph, and give back the memory that they had."""
        if self._kept:
            wait()
        self._kept.clear()
        self._laid_out = []

    def over(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        """A network's `forward`, recorded and played."""

        @wraps(forward)
        def answer(*args: Any, **kwargs: Any) -> Any:
            if self._is_plain or torch.is_grad_enabled() or torch.is_autocast_enabled(self._device.type):
                return forward(*args, **kwargs)
            try:
                found = self._recorded(forward, args, kwargs)
                if found is not None:
                    return found.answer(tensors_of((args, kwargs)))
            except RuntimeError as problem:
                self._is_plain = True
                self.release()
                if self._failed is None:
                    raise
                wait()
                self._failed(problem)
            return forward(*args, **kwargs)

        return answer

    def _recorded(self, forward: Callable[..., Any], args: Any, kwargs: Any) -> _Recorded | None:
        """The graph of such a call; None where as many were recorded as may be."""
        laid_out = _laid_out(self._network)
        if laid_out != self._laid_out:
            self.release()
            self._recorder, self._laid_out = CudaRecorder(self._device), laid_out
        kind = _kind(args, kwargs, self._device)
        found = self._kept.pop(kind, None)
        if found is None:
            if self._count == MOST_RECORDED:
                return None
            self._count += 1
            while len(self._kept) >= MOST_KEPT:
                self._kept.popitem(last=False)
            found = self._record(forward, args, kwargs)
        self._kept[kind] = found
        return found

    def _record(self, forward: Callable[..., Any], args: Any, kwargs: Any) -> _Recorded:
        _check(self._network, forward, args, kwargs)
        tensors = tensors_of((args, kwargs))
        places = [_place(tensor) for tensor in tensors]
        _fill(places, tensors)
        seen = iter(places)
        own_args, own_kwargs = trees.tree_map_only(Tensor, lambda _: next(seen)[1], (args, kwargs))

        def call() -> Any:
            output = forward(*own_args, **own_kwargs)
            _check_leaves(output, "answers with")
            return output

        replay = self._recorder.capture(call)
        # Looked at now: the first call may have made anew what the network keeps.
        self._laid_out, held = _laid_out(self._network), _held(self._network)
        return _Recorded(places, replay, held)


def tensors_of(tree: Any) -> list[Tensor]:
    """The tensors in what a network is asked, or answers."""
    return [leaf for leaf in trees.tree_leaves(tree) if isinstance(leaf, Tensor)]


def _kind(args: Any, kwargs: Any, device: torch.device) -> Any:
    """All that a graph is made for: equal for calls that one graph answers.

    Raises:
        RuntimeError: a call is told what a graph cannot know.
    """
    leaves, structure = trees.tree_flatten((args, kwargs))
    _check_leaves(leaves, "is told")
    if any(isinstance(leaf, Tensor) and leaf.device != device for leaf in leaves):
        raise RuntimeError(f"it is told a tensor that is not on {device}")
    told = tuple(
        (leaf.shape, leaf.stride(), leaf.dtype) if isinstance(leaf, Tensor) else (type(leaf), leaf) for leaf in leaves
    )
    return structure, told, torch.is_inference_mode_enabled()


def _check_leaves(tree: Any, does: str) -> None:
    for leaf in trees.tree_leaves(tree):
        if not isinstance(leaf, (Tensor, *PLAIN)):
            raise RuntimeError(f"it {does} a {type(leaf).__name__}, which no graph is made for")


def _check(network: Any, forward: Callable[..., Any], args: Any, kwargs: Any) -> None:
    """Raises RuntimeError where a graph would keep what differs from call to call."""
    given = inspect.signature(forward).bind(*args, **kwargs).arguments
    if any(given.get(name) is not None and not isinstance(given[name], Tensor) for name in LEVELS):
        raise RuntimeError("its noise level is a number of Python's: each step would be recorded")
    parts = (module for module in network.modules() if module is not network)
    if any(part._forward_hooks or part._forward_pre_hooks or _has_hooks_of_diffusers(part) for part in parts):
        raise RuntimeError("its layers have hooks, which no graph runs")


def _has_hooks_of_diffusers(part: Any) -> bool:
    registry = getattr(part, "_diffusers_hook", None)
    return registry is not None and bool(registry.hooks)


def _laid_out(network: Any) -> list[Any]:
    """What a network computes with: where its weights lie, and by which parts, processors and functions."""
    found, left = list[Any](), [network]
    while left:
        module = left.pop()
        own = vars(module)
        found += [module, own.get("forward"), own.get("processor")]
        found += [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
        tensors = (*module._parameters.values(), *module._buffers.values())
        found += [(one.data_ptr(), one.dtype) for one in tensors if one is not None]
        left += [part for part in module._modules.values() if part is not None]
    return found


def _held(network: Any) -> list[Tensor]:
    return [tensor for module in network.modules() for tensor in tensors_of(dict(vars(module)))]


def _place(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Memory for such a tensor's numbers, and a tensor laid out as it is: where it repeats numbers, it still does."""
    sizes = [1 if step == 0 else size for size, step in zip(tensor.shape, tensor.stride(), strict=True)]
    place = torch.empty_strided(sizes, tensor.stride(), dtype=tensor.dtype, device=tensor.device)
    return place, place.expand(tensor.shape)


def _fill(places: list[tuple[Tensor, Tensor]], tensors: list[Tensor]) -> None:
    for (place, _), tensor in zip(places, tensors, strict=True):
        place.copy_(tensor.as_strided(place.shape, tensor.stride()))
