"""The way of a denoising loop from state to state. Knows nothing of what a step computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from praxino.families import LoopState
from praxino.sampling.noise import NoiseSource


def walk(
    latents: Tensor,
    num_steps: int,
    advance: Callable[[LoopState], LoopState],
    noise: NoiseSource,
    state: LoopState | None,
) -> Iterator[LoopState]:
    """Yield the state before the first step and after every one; a given state is the first one yielded.

    Args:
        latents: what the first state holds, of any shape.
        num_steps: how many steps there are from there.
        advance: one step, from the state before it to the one after.
        noise: what the steps draw from; its state travels as "generator".
        state: where to go on from; None to begin.
    """
    if state is None:
        state = LoopState(0, {"latents": latents, "generator": noise.state()})
    else:
        noise.restore(state.tensors["generator"])
    yield state
    for _ in range(state.step, num_steps):
        state = advance(state)
        yield state
