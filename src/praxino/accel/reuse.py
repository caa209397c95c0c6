"""Steps whose prediction is made of an earlier one, where the network would hardly have said anything else.

How it is made is a cache's matter (`praxino.accel.caches`); here is which calls of a network are one step, which
branch each of them is, and which steps may not be left out. Works on any network that is told a noise level; knows no
family. What it knows is tensors, so that a run that is resumed reuses the same steps.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from praxino.accel.caches import Caching
from praxino.accel.caches.call import Cache, Call
from praxino.accel.networks import computing, networks

LEVELS = ("timestep", "timesteps", "t")
"""What networks call the noise level that they are told."""
PREFIX = "reuse."
"""Of the names of its tensors in a saved state."""
PLACE = "place"
"""The name of where a network is in its run; what begins with it and a dot is its cache's."""


@dataclass
class _Place:
    """Where a network is in its run."""

    cache: Cache
    shape: tuple[int, ...] = ()
    """Of what it is asked about by the first call of a step; another one begins anew."""
    level: float | None = None
    """The noise level of the present step: the highest, where tokens have levels of their own."""
    branch: int = 0
    """Calls in the present step."""
    steps: int = 0
    """Begun so far."""


class Reuse:
    """The denoisers of a run, each with its place and its cache."""

    def __init__(self, caching: Caching, num_steps: int, caches: list[Cache]) -> None:
        self._first, self._num_steps = caching.first, num_steps
        self._places = [_Place(cache) for cache in caches]
        self.num_computed, self.num_reused = 0, 0
        """Calls."""

    @staticmethod
    def owns(name: str) -> bool:
        """Whether a tensor of a saved state is one of `state`."""
        return name.startswith(PREFIX)

    def state(self) -> dict[str, Tensor]:
        """All that is known, on the CPU: beside what a GPU needs for it anyhow there may be no room for a copy."""
        found: dict[str, Tensor] = {}
        for index, place in enumerate(self._places):
            level = float("nan") if place.level is None else place.level
            numbers = torch.tensor([level, place.branch, place.steps, *place.shape], dtype=torch.float64)
            own = {PLACE: numbers, **{f"{PLACE}.{name}": tensor for name, tensor in place.cache.state().items()}}
            found |= {f"{PREFIX}{index}.{name}": tensor.detach().to("cpu", copy=True) for name, tensor in own.items()}
        return found

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Know what `state` told; without any of it, nothing: as before the first step."""
        for index, place in enumerate(self._places):
            own = _below(f"{PREFIX}{index}.", tensors)
            place.cache.restore(_below(f"{PLACE}.", own))
            level, branch, steps, *shape = own[PLACE].tolist() if own else [float("nan"), 0, 0]
            place.level = None if level != level else level
            place.branch, place.steps, place.shape = int(branch), int(steps), tuple(map(int, shape))

    def ratios(self) -> tuple[float, ...]:
        """By step, what MagCache measured: means over branches, runs and networks; 1 of steps that were not drawn."""
        found: dict[int, list[float]] = {}
        for place in self._places:
            for step, measured in getattr(place.cache, "ratios", {}).items():
                found.setdefault(step, []).extend(measured)
        return tuple(fmean(found.get(step, [1.0])) for step in range(self._num_steps))

    def answering(self, index: int, forward: Callable[..., Any]) -> Callable[..., Any]:
        """A denoiser's `forward` that reuses."""
        signature = inspect.signature(forward)

        def answer(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            x, level = next(iter(bound.arguments.values())), _level(bound.arguments)
            if not isinstance(x, Tensor) or level is None:
                return forward(*args, **kwargs)
            place = self._at(index, x, level)
            call = Call(place.branch, x, lambda: forward(*args, **kwargs), bound.arguments.get("return_dict"))
            place.branch += 1
            output, is_reused = place.cache.answer(call)
            self.num_reused += is_reused
            self.num_computed += not is_reused
            return output

        return answer

    def _at(self, index: int, x: Tensor, level: float) -> _Place:
        """A network's place; at its first call in a step the cache is told of that."""
        place = self._places[index]
        if place.level == level:
            return place
        if place.shape != x.shape:
            place.cache.restore({})
            place.shape = tuple(x.shape)
        done = sum(one.steps for one in self._places if one.cache.is_used)
        place.level, place.branch = level, 0
        place.cache.begin(x, done, may_reuse=self._first <= done < self._num_steps - 1)
        place.steps += 1
        return place


@contextmanager
def reusing(parts: Any, caching: Caching, num_steps: int) -> Iterator[Reuse]:
    """While it holds, the denoisers in `parts` reuse their steps.

    Args:
        parts: what a family has loaded.
        caching: how.
        num_steps: of the run; where it loops several times, of all loops together.
    """
    found: list[Any] = [network.module for network in networks(parts) if network.stage == "denoise"]
    denoisers = [network for network in found if set(LEVELS) & set(inspect.signature(network.forward).parameters)]
    with ExitStack() as undo:
        caches = [undo.enter_context(_cached(network, caching, num_steps)) for network in denoisers]
        cached = [(network, cache) for network, cache in zip(denoisers, caches, strict=True) if cache is not None]
        reuse = Reuse(caching, num_steps, [cache for _, cache in cached])
        for index, (network, _) in enumerate(cached):
            undo.enter_context(computing(network, reuse.answering(index, network.forward)))
        yield reuse


@contextmanager
def _cached(network: Any, caching: Caching, num_steps: int) -> Iterator[Cache | None]:
    """A network's cache; None where it can have none of that kind."""
    if caching.kind == "easy":
        from praxino.accel.caches.easy import EasyCache

        yield EasyCache(caching.bound)
    elif caching.kind == "taylor":
        from praxino.accel.caches.taylor import TaylorCache

        yield TaylorCache(int(caching.bound))
    else:
        from praxino.accel.caches.blocks import hooked

        with hooked(network, caching, num_steps) as cache:
            yield cache


def _below(start: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _level(arguments: dict[str, Any]) -> float | None:
    given = next((arguments[name] for name in LEVELS if arguments.get(name) is not None), None)
    if isinstance(given, Tensor):
        return given.max().item()
    return float(given) if isinstance(given, float | int) else None
