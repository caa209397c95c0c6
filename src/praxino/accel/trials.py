"""Ways of computing what a denoiser answers, tried within a run on what that asks it. Knows no family.

No benchmark tells how fast attention is for the heads, tokens, masks and number format of a run so well as the run
itself. So the first call is computed again, in each way: what it took, and how far its answer is from the run's own,
which alone goes on. Decides nothing: `praxino.accel.ways` does, by what is told here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial, wraps
from typing import Any

import torch
from torch import Tensor

from praxino.accel.attention import Scores, attending, kernels
from praxino.accel.compiled import denoisers
from praxino.accel.fusion import can_fuse, fused
from praxino.accel.graphs import graphed, tensors_of
from praxino.accel.networks import computing
from praxino.accel.paces import Tried, wait
from praxino.accel.passes import in_passes
from praxino.accel.products import kinds, multiplying
from praxino.accel.ways import ATTENTION, EXACT_ERROR, FUSED, GRAPHS, PASSES, PRODUCTS

ROUNDS, ROUNDS_OF_LONG, LONG_SECONDS = 2, 1, 1.0
"""A way is timed so often after its first call; less often where a call takes longer. The least time counts."""
SHARE, SHARE_OF_SHORT, SHORT_SECONDS = 0.15, 1 / 3, 20.0
"""Of a run's calls, that trying may take; or a larger one, as far as that is few seconds."""
LEAST_SECONDS = 1.0
"""A run that computes for less is not worth trying in."""
SCORES_BYTES = 256_000_000
"""Kernels that hold the scores of attention are tried up to so large ones: theirs grow with the square of tokens."""

Lay = Callable[[Any], AbstractContextManager[None]]


@dataclass(frozen=True)
class Way:
    """One way of computing."""

    name: str
    """As NAME:VALUE, as `Recipe.speed` keeps it."""
    lay: Lay
    """Lays a network out for it."""


def way_of(name: str) -> Way:
    """A way by its name. Raises KeyError where there is none."""
    means, _, value = name.partition(":")
    lays: dict[str, Lay] = {
        ATTENTION: partial(attending, kernel=value),
        FUSED: fused,
        PASSES: in_passes,
        PRODUCTS: partial(multiplying, kind=value),
        GRAPHS: graphed,
    }
    return Way(name, lays[means])


def ways(network: Any, device: str, scores_bytes: int) -> list[Way]:
    """All that could be faster for a network on cpu, cuda, ...; `scores_bytes`: see `attention.Scores`."""
    found = [f"{FUSED}:qkv"] if can_fuse(network) else []
    few = scores_bytes <= SCORES_BYTES
    found += [f"{ATTENTION}:{kernel}" for kernel in kernels(network, device) if few or kernel != "math"]
    found += [f"{PRODUCTS}:{kind}" for kind in kinds(network, device)]
    found += [f"{PASSES}:1", *([f"{GRAPHS}:cuda"] if device == "cuda" else [])]
    return [way_of(name) for name in found]


@contextmanager
def laid(parts: Any, names: Sequence[str]) -> Iterator[None]:
    """While it holds, the denoisers in `parts` compute in these ways."""
    with ExitStack() as undo:
        for network in denoisers(parts):
            for name in names:
                undo.enter_context(way_of(name).lay(network))
        yield


@contextmanager
def trying(
    parts: Any, num_calls: int, is_wanted: Callable[[str], bool], told: Callable[[tuple[Tried, ...], bool], None]
) -> Iterator[None]:
    """While it holds, the first call of a denoiser in `parts` is computed in other ways as well.

    Args:
        parts: what a family has loaded.
        num_calls: of denoisers, that the run will make: what trying may take is reckoned from it.
        is_wanted: whether a way is to be tried.
        told: called once, with those that were, and whether they are all that are wanted.
    """
    trial = _Trial(num_calls, is_wanted, told)
    with ExitStack() as undo:
        for network in denoisers(parts):
            undo.enter_context(computing(network, trial.over(network, network.forward)))
        yield


class _Trial:
    def __init__(self, num_calls: int, is_wanted: Callable[[str], bool], told: Callable[..., None]) -> None:
        self._num_calls, self._is_wanted, self._told = num_calls, is_wanted, told
        self._is_done = False

    def over(self, network: Any, forward: Callable[..., Any]) -> Callable[..., Any]:
        """A denoiser's `forward`, in whose first call ways are tried."""

        @wraps(forward)
        def answer(*args: Any, **kwargs: Any) -> Any:
            if self._is_done:
                return forward(*args, **kwargs)
            self._is_done = True
            scores, began = Scores(), time.perf_counter()
            with scores:
                output = forward(*args, **kwargs)
            wait()
            seconds, expected = time.perf_counter() - began, tensors_of(output)
            with computing(network, forward):
                found = ways(network, expected[0].device.type, scores.num_bytes)
                wanted = [way for way in found if self._is_wanted(way.name)]
                self._try(_Call(network, args, kwargs, expected), wanted, seconds)
            return output

        return answer

    def _try(self, call: _Call, wanted: list[Way], first_seconds: float) -> None:
        rounds = ROUNDS if first_seconds < LONG_SECONDS else ROUNDS_OF_LONG
        count = min(_affordable(self._num_calls, first_seconds, rounds), len(wanted))
        if not wanted or count == 0:
            return
        plain, error = call.timed()
        if plain * self._num_calls < LEAST_SECONDS:  # the first call took longer, as first ones do
            return
        if error > EXACT_ERROR:  # it does not answer the same question twice in the same way
            self._told((), True)
            return
        if plain >= LONG_SECONDS:  # such a call does not wait for Python
            wanted = [way for way in wanted if not way.name.startswith(GRAPHS)]
        tried: list[Tried] = []
        for way in wanted[:count]:
            tried.append(_tried(way, call, rounds))
            plain = min(plain, call.timed()[0])
        self._told(tuple(replace(one, plain=plain) for one in tried), count >= len(wanted))


@dataclass(frozen=True)
class _Call:
    """What a network was asked, and what it answered."""

    network: Any
    args: Any
    kwargs: Any
    expected: list[Tensor]

    def timed(self) -> tuple[float, float]:
        """Ask it again, as it is laid out now: what that took, and how far its answer is off.

        On a CPU what counts is its own time, since other processes may have it for a while.
        """
        seconds = time.process_time if self.expected[0].device.type == "cpu" else time.perf_counter
        wait()
        began = seconds()
        found = self.network.forward(*self.args, **self.kwargs)
        wait()
        return seconds() - began, max(map(_off, tensors_of(found), self.expected))


def _affordable(num_calls: int, seconds: float, rounds: int) -> int:
    """How many ways a run may try whose calls take so long."""
    if num_calls * seconds < LEAST_SECONDS:
        return 0
    calls = max(SHARE * num_calls, min(SHARE_OF_SHORT * num_calls, SHORT_SECONDS / seconds))
    return int((calls - 1) / (2 + rounds))


def _tried(way: Way, call: _Call, rounds: int) -> Tried:
    """Whatever is raised is the way's own: the plain call was made before."""
    try:
        with way.lay(call.network):
            found = [call.timed() for _ in range(1 + rounds)]
    except Exception as problem:
        return Tried(way.name, problem=(str(problem).splitlines() or [type(problem).__name__])[0][:200])
    error = found[0][1]
    problem = "" if math.isfinite(error) else "its answer has what is no number"
    return Tried(
        way.name, seconds=min(seconds for seconds, _ in found), error=0.0 if problem else error, problem=problem
    )


def _off(found: Tensor, expected: Tensor) -> float:
    """The largest difference, in parts of the largest value; infinite where there is something that is no number."""
    off = (found.float() - expected.float()).abs().max() / expected.float().abs().max().clamp(min=1e-30)
    return float(off.nan_to_num(nan=torch.inf))
